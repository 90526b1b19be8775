//! Bytes to tokens: words, `;`, `{`, `}`, comments, and the end of the file.

use std::sync::Arc;

use nom::bytes::complete::{take_till, take_while};
use nom::{IResult, Parser};

use crate::ast::Word;
use crate::error::{Error, ErrorKind, Expected};
use crate::raw;
use crate::span::{FileId, Span};
use crate::word::{self, WordFault};

/// The place the parser has reached in one file.
pub(crate) struct Lexer {
    file: FileId,
    bytes: Arc<Vec<u8>>,
    at: usize,
}

pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

pub(crate) enum TokenKind {
    Word(Word),
    Semicolon,
    Open,
    Close,
    Comment { own_line: bool },
    End,
}

impl Lexer {
    pub(crate) fn new(file: FileId, bytes: Arc<Vec<u8>>) -> Lexer {
        Lexer { file, bytes, at: 0 }
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// The next token. After an error, and after `End`, there is nothing more to read.
    pub(crate) fn token(&mut self) -> Result<Token, Error> {
        let own_line = self.skip_blanks();
        let start = self.at;
        let kind = match self.bytes.get(start).copied() {
            None => TokenKind::End,
            Some(b';') => self.punctuation(TokenKind::Semicolon),
            Some(b'{') => self.punctuation(TokenKind::Open),
            Some(b'}') => self.punctuation(TokenKind::Close),
            Some(b'#') => self.comment(own_line),
            Some(_) => TokenKind::Word(self.word()?),
        };
        Ok(Token { kind, span: self.span(start, self.at) })
    }

    /// Skips a block in another language, after its `{`. Gives the text before the matching `}`.
    pub(crate) fn raw_body(&mut self) -> Result<Span, Error> {
        let start = self.at;
        let Some(len) = raw::body_len(&self.bytes[start..]) else {
            let end = self.span(self.bytes.len(), self.bytes.len());
            return Err(Error::new(ErrorKind::UnexpectedEnd(Expected::BlockEnd), end));
        };
        self.at += len + 1;
        Ok(self.span(start, start + len))
    }

    /// Skips blanks and says whether what follows is the first thing on its line.
    fn skip_blanks(&mut self) -> bool {
        let at_start = self.at == 0;
        let rest = &self.bytes[self.at..];
        let skipped: IResult<&[u8], &[u8]> = take_while(word::is_blank).parse_complete(rest);
        let blanks = skipped.map_or(&rest[..0], |(_, blanks)| blanks);
        self.at += blanks.len();
        at_start || blanks.contains(&b'\n')
    }

    fn punctuation(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    /// A comment of any length; nginx takes up to 4095 bytes, see "Known differences".
    fn comment(&mut self, own_line: bool) -> TokenKind {
        let rest = &self.bytes[self.at..];
        let line: IResult<&[u8], &[u8]> = take_till(|byte| byte == b'\n').parse_complete(rest);
        self.at += line.map_or(rest.len(), |(_, line)| line.len());
        TokenKind::Comment { own_line }
    }

    fn word(&mut self) -> Result<Word, Error> {
        let start = self.at;
        match word::word(&self.bytes[start..]) {
            Ok(raw) => {
                let (value, quoting) = (word::decode(raw.text), raw.quoting);
                self.at += raw.len;
                Ok(Word { value, quoting, span: self.span(start, self.at) })
            }
            Err(WordFault { kind, at }) => {
                let at = start + at;
                Err(Error::new(kind, self.span(at, self.bytes.len().min(at + 1))))
            }
        }
    }

    /// Offsets fit because a file over `u32::MAX` bytes is refused before it gets here.
    fn span(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(start), end: offset(end) }
    }
}
