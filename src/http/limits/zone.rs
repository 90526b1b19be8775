//! The zones of a generation. What is in them outlives a reload.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::model::{Config, Severity, ZoneConf, ZoneKind};
use crate::request::RequestCtx;

use super::connections::Connections;
use super::requests::Requests;

/// A zone of a configuration.
#[derive(Debug)]
pub struct Zone {
    /// What the configuration says of it.
    pub conf: ZoneConf,
    /// What is in it.
    pub memory: Memory,
}

impl Zone {
    /// A request's key in it. `None` if it has none, or one of more than `longest` bytes, which is logged: no limit is for it.
    pub fn key(&self, ctx: &RequestCtx, longest: usize) -> Option<Vec<u8>> {
        let key = ctx.render(&self.conf.key);
        if key.len() > longest {
            let name = &self.conf.key_text;
            let text = String::from_utf8_lossy(&key);
            let message = format!("the value of the \"{name}\" key is more than {longest} bytes: \"{text}\"");
            ctx.log(Severity::Error, &message);
            return None;
        }
        (!key.is_empty()).then_some(key)
    }
}

/// What is in a zone, shared by all workers and by the generations that name it alike.
#[derive(Clone, Debug)]
pub enum Memory {
    /// Of `limit_req_zone`.
    Requests(Arc<Requests>),
    /// Of `limit_conn_zone`.
    Connections(Arc<Connections>),
}

/// Zones of generations that are still in use.
static OPEN: Mutex<Vec<Weak<Zone>>> = Mutex::new(Vec::new());

/// The zones of a configuration, by their place in it. One that is as it was in an earlier generation, but for its rate,
/// goes on with what is in it.
pub fn open(config: &Config) -> Vec<Arc<Zone>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|zone| zone.strong_count() > 0);
    let zones: Vec<Arc<Zone>> = config
        .zones
        .iter()
        .map(|conf| {
            // The newest first.
            let known = open.iter().rev().filter_map(Weak::upgrade).find(|zone| continues(&zone.conf, conf));
            let memory = known.map_or_else(|| Memory::new(conf), |zone| zone.memory.clone());
            Arc::new(Zone { conf: conf.clone(), memory })
        })
        .collect();
    open.extend(zones.iter().map(Arc::downgrade));
    zones
}

fn continues(known: &ZoneConf, new: &ZoneConf) -> bool {
    let same_kind = matches!(
        (known.kind, new.kind),
        (ZoneKind::Requests { .. }, ZoneKind::Requests { .. })
            | (ZoneKind::Connections, ZoneKind::Connections)
    );
    same_kind && (&known.name, known.size, &known.key_text) == (&new.name, new.size, &new.key_text)
}

impl Memory {
    fn new(conf: &ZoneConf) -> Self {
        match conf.kind {
            ZoneKind::Requests { .. } => Self::Requests(Arc::new(Requests::new(conf.size))),
            ZoneKind::Connections => Self::Connections(Arc::new(Connections::new(&conf.name, conf.size))),
        }
    }
}
