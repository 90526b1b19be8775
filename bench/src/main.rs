//! What push servers take for a subscriber and for a message, measured side by side.
//!
//! ```sh
//! cargo build --release && cargo run --release -p encke-bench
//! cargo run --release -p encke-bench -- --scale FOLDER
//! ```
//!
//! Each named work ([`works`]) runs on each server in turn, several times over, with a fresh server each time
//! ([`server`]). The load comes from one thread ([`client`]). What counts is the processor time of the server's whole
//! process tree, its memory, and how long clients waited ([`measure`]). Every message says which one it is, so that
//! one that is lost, doubled or out of order is noticed in every run. [`scale`] has works at many sizes, and draws them.
//! [`floor`] is a loop that only receives and sends.

mod args;
mod client;
mod floor;
mod measure;
mod message;
mod report;
mod scale;
mod server;
mod target;
mod work;
mod works;

use std::env;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use clap::Parser as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use args::Arguments;
use report::Row;
use scale::Measured;
use server::{Contestant, files};
use works::Work;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("encke-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything ran, nothing was lost, and no limit was exceeded.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    if let Some(port) = arguments.serve_floor {
        match floor::serve(port)? {}
    }
    let sweeps = arguments.sweeps(can_connect);
    let works = arguments.works(&sweeps);
    if works.is_empty() {
        return Err(format!("no work has {} in its name: see --list", arguments.only.join(" or ")).into());
    }
    if arguments.list {
        works.iter().for_each(|work| println!("{}", work.name));
        return Ok(true);
    }
    let (contestants, floor) = (arguments.contestants()?, arguments.floor()?);
    if let Some(folder) = &arguments.scale {
        // What takes minutes shall not fail at the end.
        fs::create_dir_all(folder)?;
    }
    raise_open_files(works.iter().map(|work| work.kind.needs(1).files()).max().unwrap_or_default())?;
    for contestant in contestants.iter().chain(&floor) {
        println!("{}: {}", contestant.name(), contestant.version());
    }
    println!("{} worker(s), {} round(s)\n", arguments.workers, arguments.rounds());
    if !arguments.smoke {
        let names: Vec<_> = contestants.iter().map(Contestant::name).collect();
        report::print_head(&names, floor.is_some());
    }
    let print_row = if arguments.smoke { report::print_smoke } else { report::print_row };
    let (mut rows, mut all_ran) = (Vec::new(), true);
    for work in works {
        match run_in_turn(work, &contestants, floor.as_ref(), arguments) {
            Ok(row) => {
                print_row(&row);
                rows.push(row);
            }
            Err(error) => {
                eprintln!("encke-bench: {error}");
                all_ran = false;
            }
        }
    }
    if let Some(folder) = &arguments.scale {
        measured(arguments, &contestants, &rows).write(&sweeps, folder)?;
    }
    if let Some(path) = arguments.json() {
        fs::write(path, format!("{:#}\n", report::to_json(&rows, &contestants, arguments.workers)))?;
    }
    Ok(judge(&rows) && all_ran)
}

/// All rounds of a work: A, B, A, B, ..., the floor last if the work is for it.
fn run_in_turn(
    work: Work,
    contestants: &[Contestant],
    floor: Option<&Contestant>,
    arguments: &Arguments,
) -> Result<Row, Box<dyn Error>> {
    let mut samples = vec![Vec::new(); contestants.len()];
    let mut of_floor = floor.map(|_| Vec::new());
    for _ in 0..arguments.rounds() {
        let of_floor = floor.filter(|_| !work.kind.is_about_what_is_kept()).zip(of_floor.as_mut());
        for (contestant, samples) in contestants.iter().zip(&mut samples).chain(of_floor) {
            let site = contestant.start(work.kind.needs(arguments.workers))?;
            let sample = work.kind.run(&site);
            samples.push(sample.map_err(|error| format!("{} on {}: {error}", work.name, contestant.name()))?);
        }
    }
    Ok(Row { work, samples, floor: of_floor })
}

/// Says what must not be.
fn judge(rows: &[Row]) -> bool {
    let faulty = rows.iter().filter(|row| !row.faults().is_none());
    let faults = faulty.map(|row| format!("{}: {:?}", row.work.name, row.faults()));
    let complaints: Vec<String> = faults.chain(rows.iter().filter_map(Row::excess)).collect();
    complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
    complaints.is_empty()
}

/// What a page about scale says.
fn measured<'a>(arguments: &Arguments, contestants: &[Contestant], rows: &'a [Row]) -> Measured<'a> {
    let given: Vec<String> = env::args().skip(1).collect();
    Measured {
        command: format!("cargo run --release -p encke-bench -- {}", given.join(" ")),
        contestants: contestants.iter().map(|contestant| (contestant.name(), contestant.version())).collect(),
        workers: arguments.workers,
        rounds: arguments.rounds(),
        rows,
    }
}

/// Whether there may be so many subscribers.
fn can_connect(subscribers: usize) -> bool {
    raise_open_files(files(subscribers)).is_ok()
}

/// Each client is a descriptor here, and one in the server, which inherits our limit.
fn raise_open_files(wanted: usize) -> Result<(), Box<dyn Error>> {
    let wanted = u64::try_from(wanted)?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard.max(wanted)).map_err(|error| {
        format!("{wanted} files cannot be opened here ({error}): try fewer --subscribers").into()
    })
}
