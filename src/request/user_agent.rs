//! Browsers whose connections are not kept: `keepalive_disable`.

use http::{Method, header};

use super::RequestCtx;

/// Whether `keepalive_disable` is for the browser that this request came from.
pub fn is_not_kept(ctx: &RequestCtx) -> bool {
    let disable = ctx.conf.connection.keepalive_disable;
    let (msie6, safari) = (disable.msie6 && ctx.method == Method::POST, disable.safari);
    let agent = ctx.header(header::USER_AGENT).filter(|_| msie6 || safari);
    agent.is_some_and(|agent| (msie6 && is_msie6(agent)) || (safari && is_safari(agent)))
}

fn says(agent: &[u8], words: &[u8]) -> bool {
    agent.windows(words.len()).any(|window| window == words)
}

/// MSIE 4 to 6, the last without its second service pack.
fn is_msie6(agent: &[u8]) -> bool {
    const NAME: &[u8] = b"MSIE ";
    let Some(at) = agent.windows(NAME.len()).position(|window| window == NAME) else { return false };
    match &agent[at + NAME.len()..] {
        [b'4' | b'5', b'.', _, ..] => !says(agent, b"Opera "),
        [b'6', b'.', _, ..] => !says(agent, b"Opera ") && !says(agent, b"SV1"),
        _ => false,
    }
}

fn is_safari(agent: &[u8]) -> bool {
    let another = [&b"MSIE "[..], b"Opera ", b"Gecko/", b"Chrome/"];
    says(agent, b"Safari/") && says(agent, b"Mac OS X") && !another.iter().any(|name| says(agent, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_their_names() {
        let msie6 = [
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true),
            ("Mozilla/4.0 (compatible; MSIE 5.5; Windows 98)", true),
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", false),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0)", false),
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows 98) Opera 7.0", false),
            ("MSIE 6.", false),
        ];
        for (agent, expected) in msie6 {
            assert_eq!(is_msie6(agent.as_bytes()), expected, "{agent}");
        }
        let safari =
            "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; en) AppleWebKit/125.2 (KHTML, like Gecko) Safari/125.8";
        assert!(is_safari(safari.as_bytes()));
        assert!(!is_safari(safari.replace("Safari", "Chrome/5 Safari").as_bytes()));
    }
}
