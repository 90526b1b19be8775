//! Called as `nginx`, through a link of that name, Encke has nginx's defaults and says what nginx says: scripts, unit
//! files and log rotation that call nginx go on working.

use std::ffi::OsStr;
use std::path::Path;

use crate::request::vars::NGINX_VERSION;

/// What the program was called as.
#[derive(Debug)]
pub struct Guise {
    /// In front of every line, and in `-v`.
    pub name: &'static str,
    /// The configuration when no `-c` names one.
    pub config: &'static str,
    /// The prefix when no `-p` names one; `None` is the current directory.
    pub prefix: Option<&'static str>,
    /// The pid file when no directive names one.
    pub pid: Option<&'static str>,
    /// Whether to go to the background when no directive says.
    pub daemon: bool,
}

const ENCKE: Guise =
    Guise { name: "encke", config: "/etc/encke/encke.conf", prefix: None, pid: None, daemon: false };

/// The paths are Debian's.
const NGINX: Guise = Guise {
    name: "nginx",
    config: "/etc/nginx/nginx.conf",
    prefix: Some("/usr/share/nginx"),
    pid: Some("/run/nginx.pid"),
    daemon: true,
};

/// nginx's help. The error log is Debian's default.
const NGINX_HELP: &str = "\
Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]
             [-e filename] [-c filename] [-g directives]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: /usr/share/nginx/)
  -e filename   : set error log file (default: stderr)
  -c filename   : set configuration file (default: /etc/nginx/nginx.conf)
  -g directives : set global directives out of configuration file

";

/// What scripts look for in `nginx -V`, as far as it is true: where things are. There is no `--with-http_ssl_module`,
/// since there is no TLS.
const NGINX_CONFIGURE: &str = "--prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf \
    --http-log-path=/var/log/nginx/access.log --error-log-path=stderr --pid-path=/run/nginx.pid";

impl Guise {
    /// For a program called by this path.
    pub fn of(program: &OsStr) -> &'static Self {
        let name = Path::new(program).file_name().unwrap_or(program);
        if name == "nginx" { &NGINX } else { &ENCKE }
    }

    /// Whether it is to pass for nginx.
    pub fn is_nginx(&self) -> bool {
        self.name == NGINX.name
    }

    /// The version, and with `build` how it came to be: on standard error, as nginx does.
    pub fn print_version(&self, build: bool) {
        let own = env!("CARGO_PKG_VERSION");
        if !self.is_nginx() {
            eprintln!("encke version: encke/{own}");
            if build {
                eprintln!("follows nginx/{NGINX_VERSION}");
            }
            return;
        }
        eprintln!("nginx version: nginx/{NGINX_VERSION}");
        if build {
            eprintln!("this is encke/{own}, which stands in for nginx");
            eprintln!("configure arguments: {NGINX_CONFIGURE}");
        }
    }

    /// nginx's help, where ours is not wanted.
    pub fn help(&self) -> Option<String> {
        self.is_nginx().then(|| format!("nginx version: nginx/{NGINX_VERSION}\n{NGINX_HELP}"))
    }

    /// Says something on standard error.
    pub fn say(&self, message: &str) {
        eprintln!("{}: {message}", self.name);
    }
}
