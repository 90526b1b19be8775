//! `autoindex`: listings of directories, in nginx's four formats.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, Local, Utc};

use crate::config::model::{Listing, ListingFormat, Severity};
use crate::log;
use crate::request::answer::{Answer, Responder};
use crate::request::open;
use crate::request::path::FilePath;
use crate::request::payload::{Payload, Pieces};
use crate::request::{RequestCtx, date, json, uri};

/// Letters of a name that a listing shows; a longer one is cut.
const SHOWN: usize = 50;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, a device.
    Other,
}

impl Kind {
    /// The kind that the metadata tells.
    fn of(metadata: &Metadata) -> Self {
        let kind = metadata.file_type();
        match () {
            () if kind.is_dir() => Self::Directory,
            () if kind.is_file() => Self::File,
            () => Self::Other,
        }
    }
}

/// One line of a listing.
struct Entry {
    name: Vec<u8>,
    kind: Kind,
    size: u64,
    /// Seconds since 1970.
    modified: i64,
}

/// The listing of the directory that the URI is for.
pub async fn answer(ctx: &RequestCtx) -> Answer {
    let listing = &ctx.conf.files.listing;
    let callback = match callback(ctx) {
        Ok(callback) => callback,
        Err(answer) => return answer,
    };
    let Some(path) = ctx.file_path() else { return Answer::error(500) };
    let directory: PathBuf = path.as_path().to_owned();
    // A directory may be large, and its disk slow.
    let read = tokio::task::spawn_blocking(move || entries(&directory)).await;
    let entries = match read {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => return cannot_open(ctx, &path, &error),
        Err(_) => return Answer::error(500),
    };
    let (kind, text): (&[u8], Vec<u8>) = match listing.format {
        ListingFormat::Html => (b"text/html", html(ctx, listing, &entries)),
        ListingFormat::Xml => (b"text/xml; charset=utf-8", xml(&entries)),
        ListingFormat::Json | ListingFormat::Jsonp => match callback {
            Some(callback) => (b"application/javascript", jsonp(&callback, &entries)),
            None => (b"application/json", json(&entries)),
        },
    };
    // Its length is not told, as in nginx.
    let body = Pieces::new(Body::from(Bytes::from(text)), None);
    let answer = Answer::text(200, kind, Bytes::new());
    Answer { body: Payload::Pieces(body), conditional: true, ..answer }
}

/// The answer for a directory that the system does not give.
pub fn cannot_open(ctx: &RequestCtx, path: &FilePath, error: &io::Error) -> Answer {
    let status = open::status(error);
    let severity = if status == 500 { Severity::Crit } else { Severity::Error };
    let text = path.text();
    let shown = text.strip_suffix('/').filter(|shown| !shown.is_empty()).unwrap_or(&text);
    ctx.log(severity, &format!("opendir() \"{shown}\" failed ({})", log::os_error(error)));
    Answer::error(status)
}

fn entries(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_vec();
        if name.starts_with(b".") {
            continue;
        }
        // Of a link that leads nowhere the link itself is shown.
        let metadata = fs::metadata(entry.path()).or_else(|_| fs::symlink_metadata(entry.path()));
        let Ok(metadata) = metadata else { continue };
        let kind = Kind::of(&metadata);
        entries.push(Entry { name, kind, size: metadata.len(), modified: metadata.mtime() });
    }
    entries.sort_by(|a, b| {
        let last = |entry: &Entry| entry.kind != Kind::Directory;
        last(a).cmp(&last(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(entries)
}

// === HTML ===

fn html(ctx: &RequestCtx, listing: &Listing, entries: &[Entry]) -> Vec<u8> {
    let title = escape_html(&ctx.uri);
    let responder = Responder::new(ctx);
    let charset = responder.charset(b"text/html");
    let in_letters = charset.is_some_and(|charset| charset.eq_ignore_ascii_case(b"utf-8"));
    let mut out = Vec::new();
    out.extend_from_slice(b"<html>\r\n<head><title>Index of ");
    out.extend_from_slice(&title);
    out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
    out.extend_from_slice(&title);
    out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
    for entry in entries {
        line(listing, entry, in_letters, &mut out);
    }
    out.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
    out
}

/// `in_letters`: the columns are counted in letters, as the page's charset is UTF-8.
fn line(listing: &Listing, entry: &Entry, in_letters: bool, out: &mut Vec<u8>) {
    let slash: &[u8] = if entry.kind == Kind::Directory { b"/" } else { b"" };
    out.extend_from_slice(b"<a href=\"");
    uri::escape_component(&entry.name, out);
    out.extend_from_slice(slash);
    out.extend_from_slice(b"\">");
    let letters = if in_letters { letters(&entry.name) } else { entry.name.chunks(1).collect() };
    if letters.len() > SHOWN {
        let shown: Vec<u8> = letters[..SHOWN - 3].concat();
        out.extend_from_slice(&escape_html(&shown));
        out.extend_from_slice(b"..&gt;</a>");
    } else {
        out.extend_from_slice(&escape_html(&entry.name));
        let slash = if letters.len() < SHOWN { slash } else { b"" };
        out.extend_from_slice(slash);
        out.extend_from_slice(b"</a>");
        out.resize(out.len() + SHOWN - letters.len() - slash.len(), b' ');
    }
    let form = "%d-%b-%Y %H:%M";
    let modified = DateTime::<Utc>::from_timestamp(entry.modified, 0).unwrap_or_default();
    let time = if listing.local_time {
        modified.with_timezone(&Local).format(form).to_string()
    } else {
        modified.format(form).to_string()
    };
    out.extend_from_slice(format!(" {time} {}\r\n", size(listing, entry)).as_bytes());
}

fn size(listing: &Listing, entry: &Entry) -> String {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    const G: u64 = 1 << 30;
    let rounded = |unit: u64| entry.size / unit + u64::from(entry.size % unit > unit / 2 - 1);
    let directory = entry.kind == Kind::Directory;
    match (listing.exact_size, entry.size) {
        (true, _) if directory => format!("{:>19}", "-"),
        (true, size) => format!("{size:>19}"),
        (false, _) if directory => format!("{:>7}", "-"),
        (false, G..) => format!("{:>6}G", rounded(G)),
        (false, M..) => format!("{:>6}M", rounded(M)),
        (false, 10_000..) => format!("{:>6}K", rounded(K)),
        (false, size) => format!(" {size:>6}"),
    }
}

/// The letters of a name in UTF-8; of another one, its bytes.
fn letters(name: &[u8]) -> Vec<&[u8]> {
    match std::str::from_utf8(name) {
        Ok(text) => text.char_indices().map(|(at, letter)| &name[at..at + letter.len_utf8()]).collect(),
        Err(_) => name.chunks(1).collect(),
    }
}

fn escape_html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            other => out.push(*other),
        }
    }
    out
}

// === JSON, JSONP, XML ===

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "directory",
        Kind::File => "file",
        Kind::Other => "other",
    }
}

fn json(entries: &[Entry]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for (at, entry) in entries.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\r\n{ \"name\":\"" } else { b",\r\n{ \"name\":\"" });
        json::escape(&entry.name, &mut out);
        let (kind, time) = (kind_name(entry.kind), date::format(entry.modified));
        out.extend_from_slice(format!("\", \"type\":\"{kind}\", \"mtime\":\"{time}\"").as_bytes());
        if entry.kind == Kind::File {
            out.extend_from_slice(format!(", \"size\":{}", entry.size).as_bytes());
        }
        out.extend_from_slice(b" }");
    }
    out.extend_from_slice(b"\r\n]");
    out
}

fn jsonp(callback: &[u8], entries: &[Entry]) -> Vec<u8> {
    [b"/* callback */\r\n", callback, b"(", &json(entries), b");"].concat()
}

fn xml(entries: &[Entry]) -> Vec<u8> {
    let mut out = b"<?xml version=\"1.0\"?>\r\n<list>\r\n".to_vec();
    for entry in entries {
        let kind = kind_name(entry.kind);
        let time = DateTime::<Utc>::from_timestamp(entry.modified, 0).unwrap_or_default();
        let time = time.format("%Y-%m-%dT%H:%M:%SZ");
        out.extend_from_slice(format!("<{kind} mtime=\"{time}\"").as_bytes());
        if entry.kind == Kind::File {
            out.extend_from_slice(format!(" size=\"{}\"", entry.size).as_bytes());
        }
        out.push(b'>');
        out.extend_from_slice(&escape_html(&entry.name));
        out.extend_from_slice(format!("</{kind}>\r\n").as_bytes());
    }
    out.extend_from_slice(b"</list>\r\n");
    out
}

/// `?callback=` of a JSONP request.
fn callback(ctx: &RequestCtx) -> Result<Option<Vec<u8>>, Answer> {
    if ctx.conf.files.listing.format != ListingFormat::Jsonp {
        return Ok(None);
    }
    let named = ctx.arg(b"callback").filter(|name| !name.is_empty());
    let Some(name) = named else { return Ok(None) };
    if name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')) {
        return Ok(Some(name.to_vec()));
    }
    let text = String::from_utf8_lossy(name);
    ctx.log(Severity::Info, &format!("client sent invalid callback name: \"{text}\""));
    Err(Answer::error(400))
}
