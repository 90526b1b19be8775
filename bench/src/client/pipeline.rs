//! Requests on one keep-alive connection, of which several may wait for their answers.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::Registry;

use super::connection::Connection;
use super::head::Head;

/// A connection, and what was asked there and is not answered yet.
#[derive(Debug)]
pub(super) struct Pipeline<T> {
    connection: Connection,
    asked: VecDeque<T>,
}

impl<T> Pipeline<T> {
    pub(super) fn open(
        server: SocketAddr,
        source: Option<Ipv4Addr>,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let mut connection = Connection::open(server, source)?;
        connection.register(registry, token)?;
        Ok(Self { connection, asked: VecDeque::new() })
    }

    /// Requests without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.asked.len()
    }

    /// Sends the request that `write` appends.
    pub(super) fn ask(
        &mut self,
        about: T,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.asked.push_back(about);
        self.connection.send(write)
    }

    /// Hands what came to `take`: what was asked, and head and body of its answer.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(T, &Head<'_>, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let asked = &mut self.asked;
        self.connection.receive(buffer, |input, _| read_answers(input, asked, &mut take))
    }
}

/// Reads all whole answers, and returns their length.
fn read_answers<T>(
    input: &[u8],
    asked: &mut VecDeque<T>,
    mut take: impl FnMut(T, &Head<'_>, &[u8]) -> io::Result<()>,
) -> io::Result<usize> {
    let mut used = 0;
    while used < input.len() {
        let Some(head) = Head::read(&input[used..])? else { break };
        let Some(answer) = input[used..].get(..head.end()?) else { break };
        let about = asked.pop_front().ok_or_else(|| io::Error::other("an answer that nobody asked for"))?;
        take(about, &head, &answer[head.length..])?;
        used += answer.len();
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: &[u8] =
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

    /// Question, status and length of an answer.
    type Read = (char, u16, usize);

    /// What is read of the answers to these questions, and how many bytes that is.
    fn read(bytes: &[u8], questions: &[char]) -> io::Result<(Vec<Read>, usize)> {
        let mut read = Vec::new();
        let used = read_answers(bytes, &mut questions.iter().copied().collect(), |about, head, body| {
            read.push((about, head.status, body.len()));
            Ok(())
        })?;
        Ok((read, used))
    }

    #[test]
    fn answers_come_in_the_order_of_their_requests() {
        let (answers, used) = read(ANSWERS, &['a', 'b', 'c']).expect("answers");
        assert_eq!(answers, [('a', 201, 2), ('b', 202, 0)]);
        assert_eq!(used, ANSWERS.len());
    }

    #[test]
    fn half_an_answer_is_left_and_one_too_many_an_error() {
        let (first, half) = (45, ANSWERS.len() - 1);
        let (answers, used) = read(&ANSWERS[..half], &['a', 'b']).expect("an answer");
        assert_eq!((answers.len(), used), (1, first));
        assert!(read(ANSWERS, &['a']).is_err());
    }
}
