//! `hanging-netns DIR`: every lookup in the directory hangs until the end of file on stdin. Says
//! `ready` when it does.

#[allow(dead_code, reason = "others use the rest")]
mod hanging;

use hanging::HangingMount;
use std::io::{self, Read, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        return Err(io::Error::other("usage: hanging-netns DIR"));
    };
    let mounted = HangingMount::at(Path::new(&directory))?;
    writeln!(io::stdout(), "ready")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(mounted);
    Ok(())
}
