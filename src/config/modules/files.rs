//! Which file a request is for: `root`, `alias`, `index`, `try_files`; and how files are sent.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::Arity;
use super::super::draft::draft;
use super::super::model::{
    Alias, FallbackTarget, FileCache, FilesConf, GzipStatic, IfModifiedSince, Listing, ListingFormat,
    Matcher, RefusedLinks, Root, Symlinks, TriedFile, TryFiles,
};
use super::super::template::Template;
use super::super::value;
use super::{HSL, HSLI, Module, NONE, ONE, done};

draft! {
    /// Files of a block.
    FilesDraft {
        root: Root,
        index: Vec<Template>,
        etag: bool,
        if_modified_since: IfModifiedSince,
        log_not_found: bool,
        max_ranges: usize,
        gzip_static: GzipStatic,
        autoindex: bool,
        autoindex_exact_size: bool,
        autoindex_localtime: bool,
        autoindex_format: ListingFormat,
        random_index: bool,
        symlinks: Symlinks,
        read_at_once: usize,
        read_ahead: u64,
        cache: Option<OpenFileCache>,
        cache_valid: Duration,
        cache_min_uses: u64,
        cache_errors: bool,
    }
}

const L: Contexts = Contexts::LOCATION;
const SL: Contexts = Contexts::SERVER.or(L);

/// The http core's part.
pub const CORE: Module = Module {
    name: "ngx_http_core_module: files",
    directives: &[
        done(
            "root",
            HSLI,
            ONE,
            "html",
            "The directory in which files are looked for; the URI is put behind it.",
            |b, call| root(b, call, None),
        ),
        done(
            "alias",
            L,
            ONE,
            "",
            "The directory or file that stands for the location's path; in a regular expression's, for the whole URI.",
            alias,
        ),
        done(
            "disable_symlinks",
            HSL,
            Arity::between(1, 2),
            "off",
            "Whether files behind symbolic links are refused: `on`, or `if_not_owner` of the link. `from=` is a beginning \
             of the path in which links are not looked at.",
            symlinks,
        ),
        done("etag", HSL, ONE, "on", "Whether files are sent with an ETag.", |b, call| {
            call.fill(&mut b.block().conf.files.etag, Call::flag)
        }),
        done(
            "if_modified_since",
            HSL,
            ONE,
            "exact",
            "How If-Modified-Since is compared with a file's time: `exact`, `before` or `off`.",
            |b, call| {
                use IfModifiedSince::{Before, Exact, Off};
                let words = &[("off", Off), ("exact", Exact), ("before", Before)];
                call.fill(&mut b.block().conf.files.if_modified_since, |call| call.one_of(words))
            },
        ),
        done(
            "log_not_found",
            HSL,
            ONE,
            "on",
            "Whether files that are not found get a line in the error log.",
            |b, call| call.fill(&mut b.block().conf.files.log_not_found, Call::flag),
        ),
        done(
            "output_buffers",
            HSL,
            Arity::exactly(2),
            "2 32k",
            "How much of a file is read at once: the number of buffers times their size.",
            |b, call| call.fill(&mut b.block().conf.files.read_at_once, buffers),
        ),
        done(
            "read_ahead",
            HSL,
            ONE,
            "0",
            "Whether the kernel is told that files are read from their beginning to their end, so that it reads ahead. Any \
             size but 0 tells it so: on Linux nginx does not look at the size either.",
            |b, call| call.fill(&mut b.block().conf.files.read_ahead, Call::size),
        ),
        done(
            "open_file_cache",
            HSL,
            Arity::between(1, 2),
            "off",
            "How many files are kept open, directories and, if wanted, errors remembered (`max=`), and how long after \
             their last use (`inactive=`, 60s); `off` for none. All workers share them.",
            file_cache,
        ),
        done(
            "open_file_cache_errors",
            HSL,
            ONE,
            "off",
            "Whether `open_file_cache` remembers, too, what is not there or cannot be opened.",
            |b, call| call.fill(&mut b.block().conf.files.cache_errors, Call::flag),
        ),
        done(
            "open_file_cache_min_uses",
            HSL,
            ONE,
            "1",
            "How often a file must be asked for to be kept open.",
            |b, call| call.fill(&mut b.block().conf.files.cache_min_uses, Call::number),
        ),
        done(
            "open_file_cache_valid",
            HSL,
            ONE,
            "60s",
            "How long what `open_file_cache` remembers is believed before the path is looked at again.",
            |b, call| call.fill(&mut b.block().conf.files.cache_valid, Call::seconds),
        ),
        done(
            "max_ranges",
            HSL,
            ONE,
            "",
            "How many byte ranges a request may ask for; 0 is none, and more get the whole file.",
            |b, call| {
                call.fill(&mut b.block().conf.files.max_ranges, |call| {
                    call.number().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
                })
            },
        ),
    ],
};

/// `try_files`.
pub const TRY_FILES: Module = Module {
    name: "ngx_http_try_files_module",
    directives: &[done(
        "try_files",
        SL,
        Arity::at_least(2),
        "",
        "Takes the first file (or directory, written with a slash) that is there; else goes to the last choice: a URI, \
         `@name` or `=CODE`.",
        try_files,
    )],
};

/// `index`.
pub const INDEX: Module = Module {
    name: "ngx_http_index_module",
    directives: &[done(
        "index",
        HSL,
        Arity::at_least(1),
        "index.html",
        "Files that answer for a directory; the first that is there does.",
        index,
    )],
};

/// `autoindex`.
pub const AUTOINDEX: Module = Module {
    name: "ngx_http_autoindex_module",
    directives: &[
        done("autoindex", HSL, ONE, "off", "Lists directories that have no index file.", |b, call| {
            call.fill(&mut b.block().conf.files.autoindex, Call::flag)
        }),
        done(
            "autoindex_exact_size",
            HSL,
            ONE,
            "on",
            "Whether a listing shows sizes to the byte.",
            |b, call| call.fill(&mut b.block().conf.files.autoindex_exact_size, Call::flag),
        ),
        done(
            "autoindex_format",
            HSL,
            ONE,
            "html",
            "Format of a listing: `html`, `xml`, `json` or `jsonp`.",
            |b, call| {
                use ListingFormat::{Html, Json, Jsonp, Xml};
                let words = &[("html", Html), ("json", Json), ("jsonp", Jsonp), ("xml", Xml)];
                call.fill(&mut b.block().conf.files.autoindex_format, |call| call.one_of(words))
            },
        ),
        done(
            "autoindex_localtime",
            HSL,
            ONE,
            "off",
            "Whether a listing shows times in the local zone.",
            |b, call| call.fill(&mut b.block().conf.files.autoindex_localtime, Call::flag),
        ),
    ],
};

/// `random_index`.
pub const RANDOM_INDEX: Module = Module {
    name: "ngx_http_random_index_module",
    directives: &[done(
        "random_index",
        L,
        ONE,
        "off",
        "Answers for a directory with any of its files.",
        |b, call| call.fill(&mut b.block().conf.files.random_index, Call::flag),
    )],
};

/// `empty_gif`.
pub const EMPTY_GIF: Module = Module {
    name: "ngx_http_empty_gif_module",
    directives: &[done("empty_gif", L, NONE, "", "Answers with a transparent image of one dot.", |b, _| {
        b.block().own.empty_gif = true;
        Ok(())
    })],
};

/// `gzip_static`.
pub const GZIP_STATIC: Module = Module {
    name: "ngx_http_gzip_static_module",
    directives: &[done(
        "gzip_static",
        HSL,
        ONE,
        "off",
        "Sends FILE.gz in place of FILE to clients that take gzip (`on`), or to all (`always`).",
        |b, call| {
            use GzipStatic::{Always, Off, On};
            let words = &[("off", Off), ("on", On), ("always", Always)];
            call.fill(&mut b.block().conf.files.gzip_static, |call| call.one_of(words))
        },
    )],
};

// === root, alias ===

fn alias(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let alias = match b.block().location.as_ref().map(|head| &head.matcher) {
        Some(Matcher::Exact(path) | Matcher::Prefix { path, .. }) => Some(Alias::Prefix(path.len())),
        Some(Matcher::Regex(_)) => Some(Alias::Whole),
        Some(Matcher::Named(_)) | None => None,
    };
    root(b, call, Some(alias))
}

/// Either of them; `alias` is what an alias stands for, if the location can have one.
fn root(b: &mut Builder<'_>, call: &Call<'_>, alias: Option<Option<Alias>>) -> Outcome {
    let name = call.row.name;
    if let Some(earlier) = &b.block().conf.files.root {
        let other = if earlier.alias.is_some() { "alias" } else { "root" };
        return Err(if other == name {
            call.duplicate()
        } else {
            let text =
                format!("\"{name}\" directive is duplicate, \"{other}\" directive was specified earlier");
            Diagnostic::emerg(text)
        });
    }
    let alias = match alias {
        Some(None) => {
            let text = "the \"alias\" directive cannot be used inside the named location";
            return Err(Diagnostic::emerg(text));
        }
        Some(alias) => alias,
        None => None,
    };
    let text = call.arg(0);
    for variable in ["document_root", "realpath_root"] {
        let named = [format!("${variable}"), format!("${{{variable}}}")];
        if named.iter().any(|name| contains(text, name.as_bytes())) {
            let text = format!("the ${variable} variable cannot be used in the \"{name}\" directive");
            return Err(Diagnostic::emerg(text));
        }
    }
    let mut path = if text.starts_with(b"$") { text.to_vec() } else { full_path(b, text) };
    if alias.is_none() && path.ends_with(b"/") {
        path.pop();
    }
    let path = b.compile(&path)?;
    let prefix = prefix(b).into();
    b.block().conf.files.root = Some(Root { path, prefix, alias });
    Ok(())
}

/// A path below the prefix, byte for byte.
fn full_path(b: &Builder<'_>, path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    [&prefix(b)[..], path].concat()
}

/// The prefix, with a slash at its end. What a file's path begins with is shown to clients: it is absolute.
fn prefix(b: &Builder<'_>) -> Vec<u8> {
    let prefix = &b.options.prefix;
    let prefix = if prefix.as_os_str().is_empty() { Path::new(".") } else { prefix };
    let absolute = std::path::absolute(prefix).unwrap_or_else(|_| prefix.to_owned());
    let mut bytes = absolute.into_os_string().into_encoded_bytes();
    if !bytes.ends_with(b"/") {
        bytes.push(b'/');
    }
    bytes
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

// === disable_symlinks ===

fn symlinks(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.files.symlinks.is_some() {
        return Err(call.duplicate());
    }
    let (mut refused, mut from) = (None, None);
    for word in call.args() {
        match word {
            b"off" => refused = Some(RefusedLinks::None),
            b"on" => refused = Some(RefusedLinks::All),
            b"if_not_owner" => refused = Some(RefusedLinks::OfOthers),
            [b'f', b'r', b'o', b'm', b'=', path @ ..] => from = Some(b.compile(path)?),
            _ => return Err(invalid_parameter(word)),
        }
    }
    let Some(refused) = refused else {
        let text = "\"disable_symlinks\" must have \"off\", \"on\" or \"if_not_owner\" parameter";
        return Err(Diagnostic::emerg(text));
    };
    if call.count() == 2 && from.is_none() {
        let text = format!("duplicate parameters \"{} {}\"", call.text(0), call.text(1));
        return Err(Diagnostic::emerg(text));
    }
    b.block().conf.files.symlinks = Some(Symlinks { refused, from });
    Ok(())
}

// === index ===

fn index(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    for (at, name) in call.args().enumerate() {
        if name.starts_with(b"/") && at + 1 != call.count() {
            b.warn(call, "only the last index in \"index\" directive should be absolute");
        }
        if name.is_empty() {
            return Err(Diagnostic::emerg("index \"\" in \"index\" directive is invalid"));
        }
        let name = b.compile(name)?;
        b.block().conf.files.index.get_or_insert_default().push(name);
    }
    Ok(())
}

// === try_files ===

fn try_files(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().own.try_files.is_some() {
        return Err(call.duplicate());
    }
    let last = call.arg(call.count() - 1);
    let mut files = Vec::new();
    for name in call.args().take(call.count() - 1) {
        let (name, directory) = match name.strip_suffix(b"/") {
            Some(name) => (name, true),
            None => (name, false),
        };
        files.push(TriedFile { name: b.compile(name)?, directory });
    }
    let fallback = if last.starts_with(b"=") {
        FallbackTarget::Code(status(last)?)
    } else {
        FallbackTarget::Uri(b.compile(last)?)
    };
    b.block().own.try_files = Some(Arc::new(TryFiles { files, fallback }));
    Ok(())
}

/// `=CODE`.
fn status(code: &[u8]) -> Outcome<u16> {
    let number = value::number(&code[1..]).and_then(|number| u16::try_from(number).ok());
    number
        .filter(|number| *number <= 999)
        .ok_or_else(|| Diagnostic::emerg(format!("invalid code \"{}\"", String::from_utf8_lossy(code))))
}

/// `NUMBER SIZE`, neither of them zero: bytes in all.
fn buffers(call: &Call<'_>) -> Outcome<usize> {
    let number =
        value::number(call.arg(0)).filter(|number| *number > 0).ok_or_else(|| call.invalid_value())?;
    let size = value::size(call.arg(1)).filter(|size| *size > 0).ok_or_else(|| call.invalid_value())?;
    let bytes = usize::try_from(number.saturating_mul(size)).unwrap_or(usize::MAX);
    Ok(bytes.min(MOST_AT_ONCE))
}

/// No configuration makes a slow client cost more memory than this.
const MOST_AT_ONCE: usize = 8 << 20;

// === open_file_cache ===

/// `open_file_cache`, before the settings beside it are known.
#[derive(Clone, Copy, Debug)]
pub struct OpenFileCache {
    number: usize,
    max: usize,
    inactive: Duration,
}

fn file_cache(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.files.cache.is_some() {
        return Err(call.duplicate());
    }
    let (mut max, mut inactive, mut off) = (None, 60, false);
    for word in call.args() {
        let invalid = || {
            let word = String::from_utf8_lossy(word);
            Diagnostic::emerg(format!("invalid \"open_file_cache\" parameter \"{word}\""))
        };
        match word {
            b"off" => off = true,
            [b'm', b'a', b'x', b'=', given @ ..] => {
                max = Some(value::number(given).filter(|max| *max > 0).ok_or_else(invalid)?);
            }
            [b'i', b'n', b'a', b'c', b't', b'i', b'v', b'e', b'=', given @ ..] => {
                inactive = value::seconds(given).ok_or_else(invalid)?;
            }
            _ => return Err(invalid()),
        }
    }
    b.file_caches += 1;
    let cache = match max {
        _ if off => None,
        Some(max) => Some(OpenFileCache {
            number: b.file_caches,
            max: usize::try_from(max).unwrap_or(usize::MAX),
            inactive: Duration::from_secs(inactive),
        }),
        None => return Err(Diagnostic::emerg("\"open_file_cache\" must have the \"max\" parameter")),
    };
    b.block().conf.files.cache = Some(cache);
    Ok(())
}

impl FilesDraft {
    /// The settings in force; `default_root` is the one without `root`.
    pub fn finish(&self, default_root: &Root) -> FilesConf {
        let default_index = || vec![Template::literal(b"index.html")];
        FilesConf {
            root: self.root.clone().unwrap_or_else(|| default_root.clone()),
            index: self.index.clone().unwrap_or_else(default_index).into(),
            etag: self.etag.unwrap_or(true),
            if_modified_since: self.if_modified_since.unwrap_or_default(),
            log_not_found: self.log_not_found.unwrap_or(true),
            max_ranges: self.max_ranges.unwrap_or(usize::MAX),
            gzip_static: self.gzip_static.unwrap_or_default(),
            listing: Listing {
                enabled: self.autoindex.unwrap_or(false),
                exact_size: self.autoindex_exact_size.unwrap_or(true),
                local_time: self.autoindex_localtime.unwrap_or(false),
                format: self.autoindex_format.unwrap_or_default(),
            },
            random_index: self.random_index.unwrap_or(false),
            symlinks: self.symlinks.clone().unwrap_or_default(),
            read_at_once: self.read_at_once.unwrap_or(64 << 10),
            read_ahead: self.read_ahead.is_some_and(|size| size > 0),
            cache: self.cache.flatten().map(|cache| FileCache {
                number: cache.number,
                max: cache.max,
                inactive: cache.inactive,
                valid: self.cache_valid.unwrap_or(Duration::from_secs(60)),
                min_uses: self.cache_min_uses.unwrap_or(1),
                errors: self.cache_errors.unwrap_or(false),
            }),
        }
    }
}

/// The root without `root`: `html` below the prefix.
pub fn default_root(b: &Builder<'_>) -> Root {
    Root { path: Template::literal(&full_path(b, b"html")), prefix: prefix(b).into(), alias: None }
}
