use crate::scene::{Directory, USER, bind, cookie_of, with_private_mounts};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// A process in a user namespace and a network namespace of its own. It ends when this is dropped.
pub struct Container {
    child: Child,
    pid: i32,
}

/// The words that start a command as an ordinary user.
pub fn as_user(user: u32) -> Vec<String> {
    ["setpriv".into(), format!("--reuid={user}"), format!("--regid={user}")]
        .into_iter()
        .chain(["--clear-groups".into(), "--inh-caps=-all".into()])
        .collect()
}

impl Container {
    /// One of `USER`, who is root inside.
    pub fn new() -> Container {
        Container::start(USER, &["unshare", "--user", "--map-root-user", "--net"])
    }

    pub fn of(user: u32) -> Container {
        Container::start(user, &["unshare", "--user", "--map-root-user", "--net"])
    }

    /// A user namespace within a user namespace, with the network namespace in the inner one.
    pub fn nested() -> Container {
        let outer = ["unshare", "--user", "--map-root-user"];
        Container::start(USER, &[&outer[..], &outer, &["--net"]].concat())
    }

    /// One whose user namespace maps nobody.
    pub fn unmapped() -> Container {
        Container::start(USER, &["unshare", "--user", "--net"])
    }

    fn start(user: u32, namespaces: &[&str]) -> Container {
        let words = as_user(user);
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(namespaces)
            // It tells its number when it is inside, and lives until its stdin is closed.
            .args(["sh", "-c", "echo $$; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv and unshare are there");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a number");
        let pid = line.trim().parse().expect("a kernel that lets users make user namespaces");
        Container { child, pid }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid)
    }

    /// The kernel's number for the network namespace, asked for by a thread that goes there.
    pub fn cookie(&self) -> u64 {
        cookie_of(&self.path())
    }

    /// Ends the container's process, and waits for that.
    pub fn end(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = stdin.flush();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.end();
    }
}

/// Does something where a file that everybody may open is the namespace at `path`, as `ip netns`
/// makes them. The mount is seen by the thread that does it, and by whom it starts.
pub fn with_file_of(path: &str, action: impl FnOnce(&str) + Send) {
    let directory = Directory::new();
    let file = directory.join("namespace");
    with_private_mounts(|| {
        bind(path, &file);
        action(file.to_str().expect("a name in UTF-8"));
    });
}
