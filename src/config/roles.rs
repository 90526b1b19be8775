//! What the blocks of a configuration do with channels, and who takes it over from whom.

use super::model::{Dialect, Publishers, PushHandler, Transports};

/// What the directives of one block make of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Whose; Nchan's if any of its names is among them.
    pub dialect: Dialect,
    /// What it does.
    pub handler: PushHandler,
    /// The block took it over from the one around it.
    pub inherited: bool,
    /// Over what it publishes.
    pub publisher: Publishers,
    /// How its subscribers get messages.
    pub subscriber: Transports,
    /// `nchan_subscriber off`: it takes over no subscribers.
    pub off: bool,
}

// === impl Roles ===

impl Roles {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.handler == PushHandler::None
    }

    /// Notes a role that was written with a name of `dialect`. The last kind of handler counts.
    pub fn claim(&mut self, dialect: Dialect, handler: PushHandler) {
        if self.is_none() || dialect == Dialect::Nchan {
            self.dialect = dialect;
        }
        self.handler = match (self.handler, handler) {
            (PushHandler::Group(old), PushHandler::Group(new)) => PushHandler::Group(old.or(new)),
            (_, new) => new,
        };
    }

    /// Takes over what the enclosing block does. `push_*` roles are for their block alone. Nchan's go to inner blocks,
    /// and what those say themselves comes on top of it.
    pub fn inherit(&mut self, parent: &Self) {
        if parent.dialect != Dialect::Nchan || (self.dialect == Dialect::Push && !self.is_none()) {
            return;
        }
        match (self.handler, parent.handler) {
            (PushHandler::None, _) => *self = Self { inherited: !parent.is_none(), ..*parent },
            (PushHandler::Channel, PushHandler::Channel) => {
                self.publisher = self.publisher.or(parent.publisher);
                if !self.off {
                    self.subscriber = self.subscriber.or(parent.subscriber);
                }
            }
            (PushHandler::Group(own), PushHandler::Group(outer)) => {
                self.handler = PushHandler::Group(own.or(outer));
            }
            _ => {}
        }
    }
}
