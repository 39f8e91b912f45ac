use std::panic;

/// The exit status after a panic, the one that Rust programs have.
const PANICKED: i32 = 101;

/// Lets a panic, in whatever thread, end the process once its message is written: a client is
/// better off without a program than with one that owes it an answer.
pub fn end_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        // Not by a signal: the filter of system calls does not let the program send one.
        std::process::exit(PANICKED)
    }));
}
