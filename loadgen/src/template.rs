//! Push requests (E1) rendered from templates: one copy and two patches a push.

use crate::flat::DECLARATION;
use crate::mix::Mix;
use crate::msns::Destinations;
use crate::reqid::{REQID_OCTETS, RunId};
use hayauma::ids::{Class, MSN_DIGITS, Msn, Xpid};
use std::net::SocketAddr;

/// Everything a request is a function of, beside the push's index.
pub(crate) struct Templates {
    requests: Vec<Template>,
    mix: Mix,
    seed: u64,
    destinations: Destinations,
    run: RunId,
}

/// What all requests of a run have in common.
pub(crate) struct Common<'a> {
    pub(crate) target: SocketAddr,
    pub(crate) token: Option<&'a str>,
    pub(crate) xpid: Xpid,
    pub(crate) class: Class,
    pub(crate) lifetime_hours: u8,
    pub(crate) notify: bool,
}

struct Template {
    octets: Box<[u8]>,
    msn_at: usize,
    reqid_at: usize,
}

impl Templates {
    /// The templates of all shapes of `mix`.
    pub(crate) fn new(
        common: &Common<'_>,
        mix: Mix,
        seed: u64,
        destinations: Destinations,
        run: RunId,
    ) -> Self {
        let requests = mix
            .shapes()
            .iter()
            .map(|shape| Template::new(common, shape.kind.number(), &shape.data))
            .collect();
        Self { requests, mix, seed, destinations, run }
    }

    /// The run that the reqids name.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// Octets of the longest request.
    pub(crate) fn octets_max(&self) -> usize {
        self.requests.iter().map(|template| template.octets.len()).max().unwrap_or_default()
    }

    /// Appends the request of push `index`: the same octets whenever it is asked for.
    pub(crate) fn render(&self, index: u64, target: &mut Vec<u8>) {
        let template = &self.requests[self.mix.choose(self.seed, index)];
        let start = target.len();
        target.extend_from_slice(&template.octets);
        let request = &mut target[start..];
        write_msn(self.destinations.of(index), chunk(request, template.msn_at));
        self.run.write(index, chunk(request, template.reqid_at));
    }
}

impl Template {
    fn new(common: &Common<'_>, kind: u8, data: &str) -> Self {
        let msn = "0".repeat(MSN_DIGITS);
        let reqid = "0".repeat(REQID_OCTETS);
        let body = format!(
            "{DECLARATION}<fncid>0101</fncid>\r\n<comway>11{:02}</comway>\r\n<msn>{msn}</msn>\r\n<reqid>{reqid}</reqid>\r\n\
             <svcid>{}</svcid>\r\n<lifetime>{:02}</lifetime>\r\n<ctrlflg>{kind}</ctrlflg>\r\n<dlvntf>{}</dlvntf>\r\n\
             <data>{data}</data>\r\n",
            common.class.number(),
            common.xpid,
            common.lifetime_hours,
            u8::from(common.notify),
        );
        let authorization =
            common.token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /smsgw/ HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Type: text/xml; charset=UTF-8\r\n\
             Content-Length: {}\r\n\r\n",
            common.target,
            body.len(),
        );
        let at = |name: &str| head.len() + body.find(name).unwrap_or_default() + name.len();
        let (msn_at, reqid_at) = (at("<msn>"), at("<reqid>"));
        Self { octets: format!("{head}{body}").into_bytes().into_boxed_slice(), msn_at, reqid_at }
    }
}

fn write_msn(msn: Msn, target: &mut [u8; MSN_DIGITS]) {
    *target = msn.digits();
}

fn chunk<const N: usize>(request: &mut [u8], at: usize) -> &mut [u8; N] {
    let (_, rest) = request.split_at_mut(at);
    match rest.first_chunk_mut::<N>() {
        Some(chunk) => chunk,
        None => unreachable!("a template has room for the fields it is patched with"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flat::Elements;
    use crate::msns::Msns;

    fn templates(token: Option<&str>) -> Templates {
        let common = Common {
            target: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token,
            xpid: Xpid::from_value(100_000_001).expect("legal"),
            class: Class::Emergency,
            lifetime_hours: 5,
            notify: true,
        };
        let range = Msns::Range { first: Msn::from_value(9_000_000_000).expect("legal"), count: 1_000 };
        Templates::new(&common, Mix::emergency(), 1, Destinations::new(range, 1), RunId::from_number(5))
    }

    #[test]
    fn a_request_has_the_canonical_offsets_and_the_elements_in_order() {
        let templates = templates(None);
        let mut request = Vec::new();
        templates.render(123, &mut request);
        let text = String::from_utf8(request).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a blank line");
        assert!(head.starts_with("POST /smsgw/ HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        assert_eq!(
            (&body[33..37], &body[55..59], &body[75..76], &body[101..102]),
            ("0101", "1103", "0", "h")
        );
        let names: Vec<_> =
            Elements::of(body.as_bytes()).map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(
            names,
            ["fncid", "comway", "msn", "reqid", "svcid", "lifetime", "ctrlflg", "dlvntf", "data"]
        );
    }

    #[test]
    fn the_same_push_is_rendered_to_the_same_octets_and_another_to_others() {
        let templates = templates(Some("secret"));
        let mut requests = Vec::new();
        templates.render(7, &mut requests);
        let octets = requests.len();
        templates.render(7, &mut requests);
        assert_eq!(requests[..octets], requests[octets..]);
        assert!(requests.windows(29).any(|window| window == b"Authorization: Bearer secret\r"));
        requests.clear();
        templates.render(8, &mut requests);
        let reqid = requests.windows(23).any(|window| window == b"h00000005.0000000000008");
        assert!(reqid && requests.len() <= templates.octets_max());
    }
}
