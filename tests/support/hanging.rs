//! A file system that hangs, as that of a dead file server does.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// `FUSE_INIT` (`include/uapi/linux/fuse.h`).
const INIT: u32 = 26;

/// Lookups in one directory don't wait for each other: `FUSE_PARALLEL_DIROPS`.
const PARALLEL: u32 = 1 << 18;

/// A file system in which every lookup hangs, until it is released or dropped.
///
/// It is mounted by the kernel's FUSE. Its server answers the first request, with which the kernel
/// makes its acquaintance, and does not even take the others: who waits for one that was taken
/// can't be killed.
#[derive(Debug)]
pub struct HangingMount {
    device: Option<File>,
    directory: PathBuf,
}

impl HangingMount {
    /// Mounts it at `directory`, which takes `CAP_SYS_ADMIN`.
    pub fn at(directory: &Path) -> io::Result<HangingMount> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        mount(Some("hanging"), directory, Some("fuse"), MsFlags::empty(), Some(&*options))?;
        let mounted = HangingMount { device: Some(device), directory: directory.into() };
        mounted.answer_init()?;
        Ok(mounted)
    }

    /// A path whose lookup hangs; `name` may be anything.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Gives the file system up: what hangs in it fails with `ECONNABORTED`.
    pub fn release(&mut self) {
        self.device = None;
    }

    fn answer_init(&self) -> io::Result<()> {
        let request = self.read_request()?;
        if request[4..8] != INIT.to_ne_bytes() {
            return Err(io::Error::other("the kernel did not begin with FUSE_INIT"));
        }
        let unique = &request[8..16];
        // struct fuse_init_out: the version 7.31, the flags, and the largest write.
        let mut init = [0_u32; 16];
        (init[0], init[1], init[3], init[5]) = (7, 31, PARALLEL, 4096);
        let init: Vec<u8> = init.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let length = (16 + init.len() as u32).to_ne_bytes();
        // struct fuse_out_header, without an error.
        let answer = [&length[..], &[0; 4], unique, &init].concat();
        self.device().write_all(&answer)
    }

    /// One request: struct `fuse_in_header` and what belongs to it.
    fn read_request(&self) -> io::Result<Vec<u8>> {
        let mut request = vec![0; 64 * 1024];
        let length = self.device().read(&mut request)?;
        request.truncate(length);
        Ok(request)
    }

    fn device(&self) -> &File {
        self.device.as_ref().expect("it has not been released")
    }
}

impl Drop for HangingMount {
    fn drop(&mut self) {
        self.release();
        // Nothing is left to be done if it is gone already.
        let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
    }
}
