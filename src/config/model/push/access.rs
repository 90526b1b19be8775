//! Origins, hooks, events.

use super::super::super::template::Template;

/// `nchan_access_control_*`: for requests with an `Origin`.
#[derive(Clone, Debug)]
pub struct CorsConf {
    /// Origins that may read answers, separated by blanks; `*` for all.
    pub allow_origin: Template,
    /// Whether they may send credentials.
    pub allow_credentials: bool,
}

/// Locations of requests that are made about a client's request.
#[derive(Clone, Debug, Default)]
pub struct HooksConf {
    /// `nchan_authorize_request`: decides whether the request may go on.
    pub authorize: Option<Template>,
    /// `nchan_subscribe_request`: told of a subscriber that came.
    pub subscribe: Option<Template>,
    /// `nchan_unsubscribe_request`: told of a subscriber that went.
    pub unsubscribe: Option<Template>,
    /// `nchan_publisher_upstream_request`: gets a message and answers with what is published.
    pub publisher_upstream: Option<Template>,
}

/// What is told of a channel, and where.
#[derive(Clone, Debug, Default)]
pub struct EventsConf {
    /// `nchan_channel_events_channel_id`: the channel of group `meta` that is told.
    pub channel_id: Option<Template>,
    /// `nchan_channel_event_string`: what it is told.
    pub text: Template,
}
