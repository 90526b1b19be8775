//! Writes what a package has besides the program and what is made from its command line: the manual page, and
//! completions for shells.
//!
//!     cargo run --example package-files -- target/package-files

use std::fs;
use std::io;
use std::path::PathBuf;

use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

/// What the command line does not tell.
const FURTHER: &str = r#".SH SIGNALS
.TP
HUP
reads the configuration anew; a broken one leaves the old one in force
.TP
USR1
opens the log files anew
.TP
USR2
starts the program anew, which takes over sockets, messages and waiting subscribers
.TP
QUIT
ends once what is under way has ended
.TP
TERM, INT
ends at once
.SH FILES
.TP
/etc/encke/encke.conf
the configuration
.TP
/run/encke/encke.pid, /var/log/encke
where the packaged configuration has the number of the process, and logs
.SH NOTES
Called as
.B nginx
through a link of that name, it has the default paths of Debian's nginx, goes to the background, and says what nginx says.
.SH SEE ALSO
.BR systemctl (1),
/usr/share/doc/encke
"#;

fn main() -> io::Result<()> {
    let out: PathBuf = std::env::args_os().nth(1).unwrap_or_else(|| "target/package-files".into()).into();
    fs::create_dir_all(&out)?;
    let mut command = encke::cli::command().version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    // A program of administrators.
    let man = Man::new(command.clone()).section("8").manual("System administration");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    page.extend_from_slice(FURTHER.as_bytes());
    fs::write(out.join("encke.8"), page)?;
    let check = command.find_subcommand("check").cloned();
    if let Some(check) = check {
        let man = Man::new(check.name("encke-check")).section("8").manual("System administration");
        let mut page = Vec::new();
        man.render(&mut page)?;
        fs::write(out.join("encke-check.8"), page)?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "encke", &out)?;
    }
    Ok(())
}
