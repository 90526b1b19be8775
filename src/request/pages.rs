//! nginx's own pages and reason phrases.

use super::RequestCtx;
use super::answer::{Answer, SERVER};

/// What an error page is filled up with: below 512 bytes, MSIE and Chrome show a page of their own instead.
const PADDING: &str = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n";

/// Puts nginx's own page into a special answer that no `error_page` replaced.
pub fn complete(mut answer: Answer, ctx: &RequestCtx) -> Answer {
    let output = &ctx.conf.output;
    let client = Browser::of(ctx);
    if output.msie_refresh
        && client.msie
        && matches!(answer.status, 301 | 302)
        && let Some(location) = answer.location.take()
    {
        return refresh(answer, &location);
    }
    let mut page = page(answer.status, ctx.conf.core.server_tokens);
    if output.msie_padding && (client.msie || client.chrome) && answer.status >= 400 && !page.is_empty() {
        page.push_str(&PADDING.repeat(6));
    }
    answer.content_type = (!page.is_empty()).then(|| (*b"text/html").into());
    answer.body = page.into();
    (answer.etag, answer.last_modified) = (None, None);
    if matches!(answer.status, 494..=497) {
        answer.status = 400;
    }
    answer
}

/// The page that leads MSIE to another one.
fn refresh(answer: Answer, location: &[u8]) -> Answer {
    let mut page = b"<html><head><meta http-equiv=\"Refresh\" content=\"0; URL=".to_vec();
    super::uri::escape(location, &mut page);
    page.extend_from_slice(b"\"></head><body></body></html>\r\n");
    Answer {
        status: 200,
        content_type: Some((*b"text/html").into()),
        body: page.into(),
        special: false,
        ..answer
    }
}

/// What `User-Agent` tells of browsers that are treated in special ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Browser {
    /// Calls itself MSIE.
    pub msie: bool,
    /// MSIE 4 to 6, but for those of Windows XP's second service pack.
    pub msie6: bool,
    /// Calls itself Chrome.
    pub chrome: bool,
}

impl Browser {
    /// The request's.
    pub fn of(ctx: &RequestCtx) -> Self {
        ctx.header("user-agent").map(Self::named).unwrap_or_default()
    }

    fn named(agent: &[u8]) -> Self {
        let find = |text: &[u8], part: &[u8]| text.windows(part.len()).position(|window| window == part);
        let version = find(agent, b"MSIE ").map(|at| &agent[at + 5..]).filter(|version| version.len() > 2);
        let opera = find(agent, b"Opera").is_some();
        let msie6 = match version {
            Some([b'4' | b'5', b'.', ..]) => true,
            Some([b'6', b'.', rest @ ..]) => find(rest, b"SV1").is_none(),
            _ => false,
        };
        let msie = version.is_some();
        Self {
            msie: msie && !opera,
            msie6: msie6 && !opera,
            chrome: !msie && !opera && find(agent, b"Gecko/").is_none() && find(agent, b"Chrome/").is_some(),
        }
    }
}

/// Whose reason phrases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phrases {
    /// nginx's.
    #[default]
    Nginx,
    /// Nchan's, where it has its own.
    Nchan,
}

impl Phrases {
    /// The phrase for a status.
    pub fn of(self, status: u16) -> &'static str {
        match (self, status) {
            (Self::Nchan, 408) => "Request Timeout",
            _ => reason(status),
        }
    }
}

/// nginx's reason phrase; empty for codes it has none for.
pub fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// nginx's page for a status; empty where it has none.
fn page(status: u16, server_tokens: bool) -> String {
    let server = if server_tokens { SERVER } else { "encke" };
    let (title, heading, detail) = match status {
        302 => ("302 Found".to_owned(), None, None),
        401 => ("401 Authorization Required".to_owned(), None, None),
        301 | 303 | 307 | 308 | 400 | 402..=406 | 408..=416 | 421 | 429 | 500..=505 | 507 => {
            (format!("{status} {}", reason(status)), None, None)
        }
        494..=497 => {
            let detail = match status {
                494 => "Request Header Or Cookie Too Large",
                495 => "The SSL certificate error",
                496 => "No required SSL certificate was sent",
                _ => "The plain HTTP request was sent to HTTPS port",
            };
            (format!("400 {detail}"), Some("400 Bad Request"), Some(detail))
        }
        _ => return String::new(),
    };
    let heading = heading.unwrap_or(&title);
    let detail = detail.map_or_else(String::new, |detail| format!("<center>{detail}</center>\r\n"));
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{detail}\
         <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_their_names() {
        let named = |agent: &str| Browser::named(agent.as_bytes());
        let msie6 = named("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)");
        assert!(msie6.msie && msie6.msie6 && !msie6.chrome);
        assert!(!named("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)").msie6);
        assert!(named("Mozilla/5.0 (compatible; MSIE 9.0)").msie);
        assert_eq!(named("Mozilla/4.0 (compatible; MSIE 6.0) Opera 8"), Browser::default());
        assert!(named("Mozilla/5.0 (KHTML, like Gecko) Chrome/28.0").chrome);
        assert!(!named("Mozilla/5.0 Gecko/2010 Chrome/28.0").chrome);
    }
}
