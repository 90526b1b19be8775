//! The command line.

use std::env;
use std::io;
use std::path::PathBuf;

use clap::Parser;

use crate::measure::Process;
use crate::scale::{self, Steps, Sweep};
use crate::server::Contestant;
use crate::target::Target;
use crate::works::{self, Sizes, Work};

/// What a push server takes for a subscriber and a message: Encke and nginx with Nchan, in turn, with the same work
#[derive(Debug, Parser)]
#[command(name = "encke-bench", version)]
pub(crate) struct Arguments {
    /// Only works with one of these in their name
    #[arg(long, value_name = "TEXT", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Instead of the table: what grows with subscribers, channels, stored messages and their size. Writes plots, a
    /// page and every number to this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["json", "subscribers", "publishers"])]
    pub(crate) scale: Option<PathBuf>,
    /// Runs of each work on each server [default: 3, with --scale 1]
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// Workers of each server
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Subscribers of the works about memory
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    subscribers: usize,
    /// Publishers of the works about publishing, which wait for each answer
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    publishers: u32,
    /// Everything once and small, to see that it works and loses nothing
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Name the works, and do nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Write every number to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Program; the one beside this program if it is not given
    #[arg(long, value_name = "FILE")]
    encke: Option<PathBuf>,
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// Nchan, as a module of that nginx
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    nchan: PathBuf,
    /// Without nginx, even where it is installed
    #[arg(long)]
    alone: bool,
    /// Beside them, a loop that only receives and sends: what the kernel takes for that. Works about memory and stored
    /// messages are not for it
    #[arg(long, conflicts_with = "scale")]
    pub(crate) floor: bool,
    /// Be that loop, on this port
    #[arg(long, value_name = "PORT", hide = true)]
    pub(crate) serve_floor: Option<u16>,
    /// Instead of both, a server that runs: where to publish, with {channel} in it
    #[arg(long, value_name = "URL", requires = "subscribe_url")]
    publish_url: Option<String>,
    /// The same: where to subscribe; {transport} becomes the name of the transport
    #[arg(long, value_name = "URL", requires = "publish_url")]
    subscribe_url: Option<String>,
    /// The same: its first process, if it is on this machine
    #[arg(long, requires = "publish_url")]
    pid: Option<u32>,
}

impl Arguments {
    /// The works of the table or of all sweeps, those of them that are asked for.
    pub(crate) fn works(&self, sweeps: &[Sweep]) -> Vec<Work> {
        let is_asked_for = |work: &Work| {
            self.only.is_empty() || self.only.iter().any(|text| work.name.contains(text.as_str()))
        };
        let works = if self.scale.is_some() { scale::works(sweeps) } else { self.table() };
        let works = works.into_iter().filter(is_asked_for);
        // Limits are Encke's, and no other server's.
        let is_other = self.publish_url.is_some();
        works.map(|work| Work { limit: work.limit.filter(|_| !is_other), ..work }).collect()
    }

    fn table(&self) -> Vec<Work> {
        let works = works::all(Sizes { idle: self.subscribers.max(5), publishers: self.publishers });
        works.into_iter().map(|work| if self.smoke { work.smoke() } else { work }).collect()
    }

    /// What `--scale` measures. `can_connect` says of a number of subscribers whether there may be so many.
    pub(crate) fn sweeps(&self, can_connect: impl Fn(usize) -> bool) -> Vec<Sweep> {
        match (&self.scale, self.smoke) {
            (None, _) => Vec::new(),
            (Some(_), true) => scale::sweeps(&Steps::smoke()),
            (Some(_), false) => scale::sweeps(&Steps::full(can_connect)),
        }
    }

    /// Where every number goes.
    pub(crate) fn json(&self) -> Option<PathBuf> {
        self.scale.as_ref().map(|folder| folder.join("numbers.json")).or_else(|| self.json.clone())
    }

    /// The first is the one that has to hold its bounds.
    pub(crate) fn contestants(&self) -> io::Result<Vec<Contestant>> {
        if let (Some(publish), Some(subscribe)) = (&self.publish_url, &self.subscribe_url) {
            let target = Target::new(publish, subscribe)?;
            return Ok(vec![Contestant::Running { target, process: self.pid.map(Process::new) }]);
        }
        let program = match &self.encke {
            Some(program) => program.clone(),
            None => env::current_exe()?.with_file_name("encke"),
        };
        let mut contestants = vec![Contestant::Encke { program }];
        if !self.alone && self.nginx.exists() && self.nchan.exists() {
            contestants.push(Contestant::Nchan { nginx: self.nginx.clone(), module: self.nchan.clone() });
        } else if !self.alone && env::var_os("CI").is_some() {
            return Err(io::Error::other("nginx with Nchan is not installed"));
        }
        Ok(contestants)
    }

    /// What to measure beside them, if it is asked for.
    pub(crate) fn floor(&self) -> io::Result<Option<Contestant>> {
        self.floor.then(|| Ok(Contestant::Floor { program: env::current_exe()? })).transpose()
    }

    pub(crate) fn rounds(&self) -> usize {
        let usual = if self.scale.is_some() { 1 } else { 3 };
        if self.smoke { 1 } else { self.rounds.unwrap_or(usual).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn works_are_picked_by_parts_of_their_names() {
        let arguments = Arguments::parse_from(["encke-bench", "--only", "publish/", "catchup/websocket"]);
        let names: Vec<String> = arguments.works(&[]).into_iter().map(|work| work.name).collect();
        assert_eq!(names, ["publish/100", "publish/4096", "catchup/websocket"]);
    }
}
