//! Push requests (E1) rendered from templates: one copy and two patches a push.

use crate::mix::{Mix, Shape};
use crate::msns::Destinations;
use crate::reqid::{REQID_OCTETS, RunId};
use hayauma::ids::{Class, Kind, Msn, Xpid};
use hayauma::push::client::{PushContent, PushFields, write_push, write_request};
use memchr::memmem;
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
        let requests = mix.shapes().iter().map(|shape| Template::new(common, shape)).collect();
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
        *chunk(request, template.msn_at) = self.destinations.of(index).digits();
        self.run.write(index, chunk(request, template.reqid_at));
    }
}

impl Template {
    fn new(common: &Common<'_>, shape: &Shape) -> Self {
        let content = match shape.kind {
            Kind::Control => PushContent::Hex(shape.data.as_bytes()),
            Kind::Text => PushContent::Text(&shape.data),
        };
        let mut fields = PushFields::new(common.xpid, Msn::ALL, &[b'0'; REQID_OCTETS], content);
        fields.class = common.class;
        fields.lifetime_hours = common.lifetime_hours;
        fields.wants_notification = Some(common.notify);
        let (mut body, mut request) = (Vec::new(), Vec::new());
        write_push(&mut body, &fields);
        write_request(&mut request, &common.target.to_string(), common.token, &body);
        let body_at = request.len() - body.len();
        let at = |name: &[u8]| body_at + memmem::find(&body, name).unwrap_or_default() + name.len();
        let (msn_at, reqid_at) = (at(b"<msn>"), at(b"<reqid>"));
        Self { octets: request.into_boxed_slice(), msn_at, reqid_at }
    }
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
    use crate::msns::{Msns, Order};

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
        Templates::new(
            &common,
            Mix::emergency(),
            1,
            Destinations::new(range, Order::Scattered, 1),
            RunId::from_number(5),
        )
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
