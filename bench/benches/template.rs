//! Texts with variables.

use divan::Bencher;
use encke::request::answer::Sent;
use encke::request::evaluation::{AnswerSoFar, Evaluation};

use crate::given;

const HEAD: &str = "GET /events?first=1&id=room-17 HTTP/1.1\r\nHost: example.com\r\n\
                    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
                    Referer: https://example.com/rooms\r\n\r\n";

#[divan::bench(sample_size = 100)]
fn literal(bencher: Bencher<'_, '_>) {
    header(bencher, "no-cache");
}

#[divan::bench(sample_size = 100)]
fn argument(bencher: Bencher<'_, '_>) {
    header(bencher, "$arg_id");
}

#[divan::bench(sample_size = 100)]
fn mixed(bencher: Bencher<'_, '_>) {
    header(bencher, "${arg_id}.$remote_addr/$uri");
}

/// The line of `log_format combined`.
#[divan::bench(sample_size = 100)]
fn combined(bencher: Bencher<'_, '_>) {
    let site = given::site("location = /events { access_log /dev/null; }");
    let ctx = given::request_in_location(&site, HEAD);
    let template = &ctx.conf.log.access[0].format.template;
    let sent = Sent { status: 200, head_bytes: 180, body_bytes: 1000, complete: true };
    let answer = AnswerSoFar { sent, ..AnswerSoFar::default() };
    bencher.bench_local(|| Evaluation::with_answer(&ctx, answer).render(divan::black_box(template)));
}

fn header(bencher: Bencher<'_, '_>, value: &str) {
    let site = given::site(&format!("location = /events {{ add_header X-Bench \"{value}\"; }}"));
    let ctx = given::request_in_location(&site, HEAD);
    let template = &ctx.conf.headers.add[0].value;
    bencher.bench_local(|| ctx.render(divan::black_box(template)));
}
