//! What systemd is told, if it runs us: sd_notify.

use std::time::Duration;

use sd_notify::NotifyState;

/// It serves, with the configuration there is.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads its configuration; [`ready`] follows, however that goes.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process goes on in place of this one.
pub fn main_process(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// All threads work.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be said: twice in the time that systemd waits for it.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|pause| !pause.is_zero())
}

/// Variables of the environment that a successor needs as they are.
pub const ENVIRONMENT: [&str; 2] = ["NOTIFY_SOCKET", "WATCHDOG_USEC"];

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell systemd ({})", crate::log::os_error(&error));
    }
}
