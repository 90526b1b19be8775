//! Files that both servers serve: made anew with fixed times, since git does not keep those.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::stat::Mode;
use tempfile::TempDir;

/// Thu, 02 Jan 2020 03:04:05 GMT
const TIME: u64 = 1_577_934_245;

const FILES: &[(&str, &str)] = &[
    ("index.html", "index\n"),
    ("file.html", "<p>a file</p>\n"),
    ("file.txt", "0123456789"),
    ("empty.txt", ""),
    ("page.json", "{}\n"),
    ("noext", "no extension\n"),
    ("UPPER.TXT", "upper\n"),
    ("name with blanks.txt", "blanks\n"),
    ("ümläut.txt", "umlaut\n"),
    ("plus+amp&.txt", "signs\n"),
    (".hidden", "hidden\n"),
    ("two.html.txt", "two\n"),
    ("404.html", "404 page\n"),
    ("50x.html", "50x page\n"),
    ("dir/index.html", "index of dir\n"),
    ("dir/file.txt", "file of dir\n"),
    ("dir/inner/only.txt", "only\n"),
    ("other/index.htm", "index of other\n"),
    ("other/second.html", "second\n"),
    ("odd <\"{|}^`#%?>/index.html", "odd\n"),
    ("isdir/index.html/x", ""),
    ("random/one.txt", "one\n"),
    ("random/.hidden", ""),
    ("random/sub/x", ""),
    ("gz/a.txt", "plain a, long enough to be compressed by anybody who wants to\n"),
    ("gz/b.txt", "plain b, long enough to be compressed by anybody who wants to\n"),
    ("gz/d.txt", "plain d\n"),
    ("gz/d.txt.gz/x", ""),
    ("listing/file.txt", "hello\n"),
    ("listing/a b.txt", ""),
    ("listing/.hidden", ""),
    ("listing/sub/x", ""),
    ("listing/a dir/x", ""),
    ("listing/q&<\"?#%.txt", "q\n"),
    ("listing/it's", "i\n"),
    ("listing/ümläut.txt", "u\n"),
    ("listing/tab\there", ""),
    ("listing/a-name-that-is-far-too-long-for-the-columns-of-a-listing.txt", ""),
    ("listing/exactly-fifty-letters-long-as-the-columns-allow.ab", ""),
    ("listing/exactly-fifty-letters-long-as-the-columns-allow/x", ""),
    ("users/anna/page.html", "page of anna\n"),
    ("cyrillic.html", "привет\n"),
];

/// The folder, made on first use.
pub(super) fn folder() -> &'static Path {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(make);
    FOLDER.path()
}

fn make() -> TempDir {
    let folder = TempDir::with_prefix("encke-files-").expect("the temporary folder can be made");
    let root = folder.path();
    for (name, content) in FILES {
        write(&root.join(name), content.as_bytes());
    }
    let lines: String = (0..8000).map(|line| format!("line {line:06}\n")).collect();
    write(&root.join("big.txt"), lines.as_bytes());
    write(&root.join("koi.txt"), b"xA\xc0\xc1\xc2\x80y<\n");
    write(&root.join("listing/9999.bin"), &[b'x'; 9999]);
    write(&root.join("listing/10000.bin"), &[b'x'; 10_000]);
    write(&root.join("listing/megabyte.bin"), &vec![b'x'; 1_600_000]);
    write(&root.join("gz/a.txt.gz"), &compressed(b"unpacked a\n"));
    write(&root.join("gz/only.txt.gz"), &compressed(b"unpacked only\n"));
    nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).expect("the pipe can be made");
    nix::unistd::mkfifo(&root.join("listing/fifo"), Mode::S_IRWXU).expect("the pipe can be made");
    std::os::unix::fs::symlink("file.txt", root.join("link.txt")).expect("the link can be made");
    std::os::unix::fs::symlink("dir", root.join("linkdir")).expect("the link can be made");
    set_times(root);
    // A later one, for validators that are compared.
    set_time(&root.join("other/second.html"), TIME + 1000);
    folder
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("it is below the folder")).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// Gives everything below a folder, and it, the same time.
fn set_times(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        if path.is_dir() && !path.is_symlink() {
            set_times(&path);
        } else if path.is_file() {
            set_time(&path, TIME);
        } else if name == b"fifo" {
            let time = nix::sys::time::TimeSpec::new(TIME as i64, 0);
            let flag = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
            nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, &path, &time, &time, flag).expect("a time");
        }
    }
    set_time(folder, TIME);
}

fn set_time(path: &Path, seconds: u64) {
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    let file = File::open(path).expect("it is there");
    file.set_modified(time).expect("its time can be set");
}
