//! Tokens to directives, with an explicit stack.
//!
//! A recursive parser overflows its stack on deeply nested input, which ends the process: nginx
//! 1.22.1 itself crashes on 20,000 open braces, and on a file that includes itself. Here blocks,
//! includes and files are frames of one `Vec`, limited by [`Options`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::vec;

use crate::Parsed;
use crate::ast::{Block, Body, Comment, Directive, Included, Word};
use crate::error::{Error, ErrorKind, Expected};
use crate::include::{self, Loader};
use crate::lexer::{Lexer, TokenKind};
use crate::options::{MAX_DEPTH, Options};
use crate::source::SourceMap;
use crate::span::{FileId, Span};

/// Reads one main file and everything it includes.
pub(crate) struct Reader<'a> {
    loader: &'a dyn Loader,
    options: &'a Options,
    /// Where relative includes start.
    base: PathBuf,
    sources: SourceMap,
    ids: HashMap<PathBuf, FileId>,
    /// The files being read, the current one last.
    open: Vec<Lexer>,
    /// What is open, the innermost last. The first is always the main file.
    frames: Vec<Frame>,
    blocks: usize,
    files_read: usize,
    bytes_read: usize,
}

/// Something that is open and waits for its end.
enum Frame {
    File { file: FileId, directives: Vec<Directive> },
    Block { head: Head, open: Span, directives: Vec<Directive> },
    Include { head: Head, pending: vec::IntoIter<PathBuf>, done: Vec<Included> },
}

/// A directive without its body.
struct Head {
    name: Word,
    args: Vec<Word>,
    span: Span,
    comments: Vec<Comment>,
}

/// The smallest thing that means something to the tree.
enum Statement {
    Simple(Head),
    BlockStart { head: Head, open: Span },
    Raw { head: Head, inner: Span },
    BlockEnd { close: Span, comments: Vec<Comment> },
    FileEnd { at: Span, comments: Vec<Comment> },
}

/// How a frame came to its end.
enum Ended {
    /// Where it should; with the last byte of a block and the comments before it.
    Properly { end: Span, comments: Vec<Comment> },
    /// An error stopped the parser while the frame was open.
    CutShort,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(main: &Path, loader: &'a dyn Loader, options: &'a Options) -> Reader<'a> {
        Reader {
            loader,
            options,
            base: include::base(main, options),
            sources: SourceMap::default(),
            ids: HashMap::new(),
            open: Vec::new(),
            frames: Vec::new(),
            blocks: 0,
            files_read: 0,
            bytes_read: 0,
        }
    }

    /// Reads until the end or the first error, and keeps what was read before it.
    pub(crate) fn run(mut self, main: &Path) -> Parsed {
        let (error, comments) = match self.read_all(main) {
            Ok(comments) => (None, comments),
            Err(error) => (Some(error), Vec::new()),
        };
        while self.frames.len() > 1 {
            self.fold(Ended::CutShort);
        }
        let directives = match self.frames.pop() {
            Some(Frame::File { directives, .. }) => directives,
            _ => Vec::new(),
        };
        Parsed { directives, comments, sources: self.sources, error }
    }

    /// Gives the comments at the end of the main file.
    fn read_all(&mut self, main: &Path) -> Result<Vec<Comment>, Error> {
        self.open_file(main.to_path_buf(), None)?;
        while let Some(lexer) = self.open.last_mut() {
            match statement(lexer, self.options)? {
                Statement::Simple(head) => self.simple(head)?,
                Statement::BlockStart { head, open } => self.start_block(head, open)?,
                Statement::Raw { head, inner } => self.push(head.with(Body::Raw { inner })),
                Statement::BlockEnd { close, comments } => self.end_block(close, comments)?,
                Statement::FileEnd { at, comments } if self.frames.len() > 1 => {
                    self.end_included(at, comments)?;
                }
                Statement::FileEnd { comments, .. } => return Ok(comments),
            }
        }
        Ok(Vec::new())
    }

    fn simple(&mut self, head: Head) -> Result<(), Error> {
        match &head.args[..] {
            // With another number of arguments it is for the reader of the tree to complain.
            [pattern] if head.name.value == b"include" => {
                let pending =
                    include::resolve(self.loader, &self.base, &pattern.value, head.span)?.into_iter();
                self.frames.push(Frame::Include { head, pending, done: Vec::new() });
                self.next_included()
            }
            _ => {
                self.push(head.with(Body::None));
                Ok(())
            }
        }
    }

    fn start_block(&mut self, head: Head, open: Span) -> Result<(), Error> {
        let limit = self.options.max_depth.min(MAX_DEPTH);
        if self.blocks >= limit {
            return Err(Error::new(ErrorKind::BlocksTooDeep { limit }, open));
        }
        self.blocks += 1;
        self.frames.push(Frame::Block { head, open, directives: Vec::new() });
        Ok(())
    }

    fn end_block(&mut self, close: Span, comments: Vec<Comment>) -> Result<(), Error> {
        // An included file cannot close a block of the file that includes it.
        let Some(Frame::Block { .. }) = self.frames.last() else {
            return Err(Error::new(ErrorKind::Unexpected(b'}'), close));
        };
        self.blocks -= 1;
        self.fold(Ended::Properly { end: close, comments });
        Ok(())
    }

    /// The end of a file that is not the main file, or not at the end of its blocks.
    fn end_included(&mut self, at: Span, comments: Vec<Comment>) -> Result<(), Error> {
        if let Some(Frame::Block { .. }) = self.frames.last() {
            return Err(Error::new(ErrorKind::UnexpectedEnd(Expected::BlockEnd), at));
        }
        self.open.pop();
        self.fold(Ended::Properly { end: at, comments });
        self.next_included()
    }

    /// Opens the next file of the innermost `include`, or ends it.
    fn next_included(&mut self) -> Result<(), Error> {
        let Some(Frame::Include { head, pending, .. }) = self.frames.last_mut() else { return Ok(()) };
        let span = head.span;
        match pending.next() {
            Some(path) => self.open_file(path, Some(span)),
            None => {
                self.fold(Ended::Properly { end: span, comments: Vec::new() });
                Ok(())
            }
        }
    }

    /// Starts to read a file; `from` is the `include` that asks for it.
    fn open_file(&mut self, path: PathBuf, from: Option<Span>) -> Result<(), Error> {
        self.check_include(&path).map_err(|kind| Error::new(kind, from))?;
        let file = match self.ids.get(&path) {
            Some(file) => *file,
            None => self.load(path, from)?,
        };
        let bytes = self.sources.shared(file);
        self.files_read += 1;
        self.bytes_read = self.bytes_read.saturating_add(bytes.len());
        let limit = self.options.max_total_bytes;
        if self.bytes_read > limit {
            return Err(Error::new(ErrorKind::TooLarge { limit }, from));
        }
        self.open.push(Lexer::new(file, bytes));
        self.frames.push(Frame::File { file, directives: Vec::new() });
        Ok(())
    }

    fn check_include(&self, path: &Path) -> Result<(), ErrorKind> {
        if self.open.iter().any(|lexer| self.sources.name(lexer.file()) == path) {
            return Err(ErrorKind::IncludeCycle { path: path.to_path_buf() });
        }
        let limit = self.options.max_include_depth;
        if self.open.len() > limit {
            return Err(ErrorKind::IncludesTooDeep { limit });
        }
        let limit = self.options.max_files;
        if self.files_read > limit {
            return Err(ErrorKind::TooManyFiles { limit });
        }
        Ok(())
    }

    fn load(&mut self, path: PathBuf, from: Option<Span>) -> Result<FileId, Error> {
        let bytes = self.loader.read(&path).map_err(|error| {
            let kind = ErrorKind::from_io(path.clone(), &error);
            // nginx names no place for a directory.
            let span = from.filter(|_| matches!(kind, ErrorKind::Open { .. }));
            Error::new(kind, span)
        })?;
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::new(ErrorKind::TooLarge { limit: u32::MAX as usize }, from));
        }
        let file = self.sources.add(path.clone(), bytes);
        self.ids.insert(path, file);
        Ok(file)
    }

    /// Adds a directive to the innermost block or file.
    fn push(&mut self, directive: Directive) {
        if let Some(Frame::Block { directives, .. } | Frame::File { directives, .. }) = self.frames.last_mut()
        {
            directives.push(directive);
        }
    }

    /// Takes the innermost frame off and hands what it holds to the one around it.
    fn fold(&mut self, ended: Ended) {
        let (end, comments) = match ended {
            Ended::Properly { end, comments } => (Some(end), comments),
            Ended::CutShort => (None, Vec::new()),
        };
        match self.frames.pop() {
            Some(Frame::Block { head, open, directives }) => {
                let span = end.map_or(open, |close| open.to(close));
                self.push(head.with(Body::Block(Block {
                    directives,
                    span,
                    closed: end.is_some(),
                    comments,
                })));
            }
            Some(Frame::File { file, directives }) => {
                if let Some(Frame::Include { done, .. }) = self.frames.last_mut() {
                    done.push(Included { file, directives, comments });
                }
            }
            // An `include` whose first file could not be opened was not read.
            Some(Frame::Include { done, .. }) if end.is_none() && done.is_empty() => {}
            Some(Frame::Include { head, done, .. }) => self.push(head.with(Body::Include(done))),
            None => {}
        }
    }
}

// === impl Head ===

impl Head {
    /// Makes the head of a directive that ends with the byte at `end`; `None` without any word.
    fn new(words: Vec<Word>, comments: Vec<Comment>, end: Span) -> Option<Head> {
        let mut words = words.into_iter();
        let name = words.next()?;
        let span = name.span.to(end);
        Some(Head { name, args: words.collect(), span, comments })
    }

    fn with(self, body: Body) -> Directive {
        let Head { name, args, span, comments } = self;
        Directive { name, args, body, span, comments }
    }
}

/// Reads up to the next `;`, `{`, `}` or the end of the file.
fn statement(lexer: &mut Lexer, options: &Options) -> Result<Statement, Error> {
    let mut words: Vec<Word> = Vec::new();
    let mut comments = Vec::new();
    loop {
        let token = lexer.token()?;
        let at = token.span;
        match token.kind {
            TokenKind::Word(word) => words.push(word),
            TokenKind::Comment { own_line } => {
                comments.push(Comment { span: at, own_line: own_line || !words.is_empty() });
            }
            TokenKind::Semicolon => {
                let head = Head::new(words, comments, at).ok_or_else(|| unexpected(b';', at))?;
                return Ok(Statement::Simple(head));
            }
            TokenKind::Open => {
                let head = Head::new(words, comments, at).ok_or_else(|| unexpected(b'{', at))?;
                return block_start(lexer, options, head, at);
            }
            TokenKind::Close if words.is_empty() => return Ok(Statement::BlockEnd { close: at, comments }),
            TokenKind::Close => return Err(unexpected(b'}', at)),
            TokenKind::End if words.is_empty() => return Ok(Statement::FileEnd { at, comments }),
            TokenKind::End => return Err(Error::new(ErrorKind::UnexpectedEnd(Expected::DirectiveEnd), at)),
        }
    }
}

fn block_start(lexer: &mut Lexer, options: &Options, head: Head, open: Span) -> Result<Statement, Error> {
    if options.raw_blocks.iter().any(|name| name.as_bytes() == head.name.value) {
        let inner = lexer.raw_body()?;
        return Ok(Statement::Raw { head, inner });
    }
    Ok(Statement::BlockStart { head, open })
}

fn unexpected(byte: u8, at: Span) -> Error {
    Error::new(ErrorKind::Unexpected(byte), at)
}
