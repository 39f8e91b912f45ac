use super::end;
use std::panic;

/// The exit status after a panic, the one that Rust programs have.
const PANICKED: i32 = 101;

/// Lets a panic, in whatever thread, end the process once its message is written: a client is
/// better off without a program than with one that owes it an answer.
///
/// ```standalone_crate
/// use linx_netlink_port::confine::end_on_panic;
/// use std::process::Command;
///
/// if std::env::args().count() == 1 {
///     let again = Command::new(std::env::current_exe()?).arg("panicking").output()?;
///     assert_eq!(again.status.code(), Some(101));
/// } else {
///     end_on_panic();
///     let _ = std::thread::spawn(|| panic!("of one thread")).join();
///     // Nobody comes here.
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn end_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        // Not by a signal: the filter of system calls does not let the program send one.
        end(PANICKED)
    }));
}
