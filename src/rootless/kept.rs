use super::child;
use crate::wire::Failure;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The user namespace to which the network namespaces belong that the program makes for its user: one for
/// all of them, since who moves a link from one to another must be capable in both. It is made when it is first
/// asked for.
#[derive(Debug, Default)]
pub struct UserNamespace {
    made: OnceLock<OwnedFd>,
    /// Held by whoever makes it.
    turn: Mutex<()>,
}

impl UserNamespace {
    /// Fails as making it does, the next time perhaps not.
    pub(super) fn get(&self) -> Result<&OwnedFd, Failure> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = child::run(&child::make_user_namespace)?;
        Ok(self.made.get_or_init(|| made))
    }
}
