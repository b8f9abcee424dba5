//! Requests (E1, E3) rendered from templates: one copy and two patches a request.

use crate::acts::{Deed, FAULTS, Fault};
use crate::mix::{Mix, Shape};
use crate::msns::Destinations;
use crate::plan::{Client, Plan};
use crate::reqid::{REQID_OCTETS, RunId};
use memchr::memmem;
use std::net::SocketAddr;
use wire::push::client::{PushContent, PushFields, write_cancel, write_push, write_request};
use wire::push::scan::CancelTarget;
use wire::terms::ids::{Class, Kind, MSN_DIGITS, Msn, Reqid, Xpid};

/// Everything a request is a function of, beside its index.
pub(crate) struct Templates {
    /// One for each shape.
    pushes: Vec<Template>,
    /// One for each shape; none in a plain mix.
    cancels: Vec<Template>,
    /// One for each fault; none in a plain mix.
    bad: Vec<Template>,
    mix: Mix,
    seed: u64,
    destinations: Destinations,
    run: RunId,
}

struct Template {
    octets: Box<[u8]>,
    /// Where the msn's digits stand, if the request's own go there.
    msn_at: Option<usize>,
    reqid_at: Option<usize>,
}

/// What the templates of a run have in common.
struct Common<'a> {
    target: SocketAddr,
    clients: Vec<Client<'a>>,
    class: Class,
    lifetime_hours: u8,
    notify: bool,
}

impl Templates {
    /// The templates of all requests of `plan`.
    pub(crate) fn new(plan: &Plan) -> Self {
        let common = Common {
            target: plan.target,
            clients: plan.clients().collect(),
            class: plan.class,
            lifetime_hours: plan.lifetime_hours,
            notify: plan.notify,
        };
        let shapes = plan.mix.shapes();
        let (cancels, bad) = if plan.mix.is_plain() {
            (Vec::new(), Vec::new())
        } else {
            let cancels = shapes.iter().map(|shape| common.cancel(shape)).collect();
            (cancels, FAULTS.iter().map(|(fault, ..)| common.bad(*fault)).collect())
        };
        Self {
            pushes: shapes.iter().map(|shape| common.push(shape)).collect(),
            cancels,
            bad,
            mix: plan.mix.clone(),
            seed: plan.seed,
            destinations: Destinations::new(plan.msns.clone(), plan.order, plan.seed),
            run: plan.run,
        }
    }

    /// The run that the reqids name.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// What request `index` is.
    pub(crate) fn deed(&self, index: u64) -> Deed {
        self.mix.deed(self.seed, index)
    }

    /// Octets of the longest request.
    pub(crate) fn octets_max(&self) -> usize {
        let all = self.pushes.iter().chain(&self.cancels).chain(&self.bad);
        all.map(|template| template.octets.len()).max().unwrap_or_default()
    }

    /// Appends request `index`: the same octets whenever it is asked for. Returns the push that its
    /// answer names.
    pub(crate) fn render(&self, index: u64, target: &mut Vec<u8>) -> u64 {
        let deed = self.deed(index);
        let subject = deed.subject(index);
        let template = match deed {
            Deed::Push { shape } | Deed::Repeat { shape, .. } => &self.pushes[shape],
            Deed::Cancel { shape, .. } => &self.cancels[shape],
            Deed::Bad(fault) => &self.bad[fault as usize],
        };
        let start = target.len();
        target.extend_from_slice(&template.octets);
        let request = &mut target[start..];
        if let Some(at) = template.msn_at {
            *chunk(request, at) = self.destinations.of(subject).digits();
        }
        if let Some(at) = template.reqid_at {
            self.run.write(subject, chunk(request, at));
        }
        subject
    }
}

/// Stands in a template where the run's reqid goes.
const NO_REQID: [u8; REQID_OCTETS] = [b'0'; REQID_OCTETS];
/// An XPID that nobody registers.
const UNKNOWN_XPID: u64 = 9_999_999_999;
/// An msn that nobody has a contract for.
const UNCONTRACTED_MSN: u64 = 1;
/// A text one septet too long for ten segments of 153.
const TOO_LONG_SEPTETS: usize = 10 * 153 + 1;

impl Common<'_> {
    fn push(&self, shape: &Shape) -> Template {
        let content = match shape.kind {
            Kind::Control => PushContent::Hex(shape.data.as_bytes()),
            Kind::Text => PushContent::Text(&shape.data),
        };
        let (client, class) = self.sender_of(shape);
        let mut fields = self.fields(client.xpid, content);
        fields.class = class;
        let mut body = Vec::new();
        write_push(&mut body, &fields);
        self.template(client, &body)
    }

    fn cancel(&self, shape: &Shape) -> Template {
        let (client, class) = self.sender_of(shape);
        let mut body = Vec::new();
        write_cancel(&mut body, class, client.xpid, &no_push());
        self.template(client, &body)
    }

    fn bad(&self, fault: Fault) -> Template {
        let client = self.clients[0];
        let mut fields = self.fields(client.xpid, PushContent::Hex(b"FFFFFFFFFF"));
        let long = "x".repeat(TOO_LONG_SEPTETS);
        match fault {
            Fault::UnknownXpid => {
                fields.xpid = Xpid::from_value(UNKNOWN_XPID).unwrap_or(fields.xpid)
            }
            Fault::NotContracted => {
                fields.msn = Msn::from_value(UNCONTRACTED_MSN).unwrap_or(fields.msn)
            }
            Fault::TooLong => fields.content = PushContent::Text(&long),
            Fault::NotUtf8 => fields.content = PushContent::Text("?"),
            Fault::DataEmpty => fields.content = PushContent::Hex(b""),
            Fault::OddHex => fields.content = PushContent::Hex(b"FFF"),
            _ => {}
        }
        let mut body = Vec::new();
        write_push(&mut body, &fields);
        let lifetime = format!("<lifetime>{:02}</lifetime>\r\n", self.lifetime_hours);
        let mut change = |from: &str, to: &[u8]| {
            if let Some(at) = memmem::find(&body, from.as_bytes()) {
                body.splice(at..at + from.len(), to.iter().copied());
            }
        };
        match fault {
            Fault::ElementMissing => change(&lifetime, b""),
            Fault::ElementTwice => change(&lifetime, lifetime.repeat(2).as_bytes()),
            Fault::BadValue => change(&lifetime, b"<lifetime>99</lifetime>\r\n"),
            Fault::UnknownFunction => change("<fncid>0101", b"<fncid>0901"),
            Fault::UnknownWay => {
                change(&format!("<comway>11{:02}", fields.class.number()), b"<comway>9999")
            }
            Fault::NotUtf8 => change("<data>?", b"<data>\xff"),
            Fault::NotFlat => body = b"{\"msn\":\"09012345678\"}".to_vec(),
            Fault::NoSuchPush => {
                body.clear();
                write_cancel(&mut body, self.class, client.xpid, &no_push());
            }
            _ => {}
        }
        let mut template = self.template(client, &body);
        if fault == Fault::NotContracted {
            template.msn_at = None;
        }
        template
    }

    fn sender_of(&self, shape: &Shape) -> (Client<'_>, Class) {
        (self.clients[shape.client], shape.class.unwrap_or(self.class))
    }

    fn fields<'f>(&self, xpid: Xpid, content: PushContent<'f>) -> PushFields<'f> {
        let mut fields = PushFields::new(xpid, Msn::ALL, &NO_REQID, content);
        fields.class = self.class;
        fields.lifetime_hours = self.lifetime_hours;
        fields.wants_notification = Some(self.notify);
        fields
    }

    fn template(&self, client: Client<'_>, body: &[u8]) -> Template {
        let mut request = Vec::new();
        write_request(&mut request, &self.target.to_string(), client.token, body);
        let body_at = request.len() - body.len();
        let behind = |name: &[u8]| memmem::find(body, name).map(|at| body_at + at + name.len());
        Template {
            msn_at: behind(b"<msn>").filter(|at| at + MSN_DIGITS <= request.len()),
            reqid_at: behind(b"<reqid>"),
            octets: request.into_boxed_slice(),
        }
    }
}

fn no_push() -> CancelTarget<'static> {
    match Reqid::parse(&NO_REQID) {
        Some(reqid) => CancelTarget::Push { msn: Msn::ALL, reqid },
        None => unreachable!("23 digits are a reqid"),
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
    use crate::acts::Act;
    use crate::flat::Elements;
    use crate::msns::Msns;

    fn plan(token: Option<&str>) -> Plan {
        Plan {
            token: token.map(str::to_owned),
            class: Class::Emergency,
            lifetime_hours: 5,
            msns: Msns::Range {
                first: Msn::from_value(9_000_000_000).expect("legal"),
                count: 1_000,
            },
            seed: 1,
            run: RunId::from_number(5),
            ..Plan::new(SocketAddr::from(([127, 0, 0, 1], 8080)))
        }
    }

    #[test]
    fn a_request_has_the_canonical_offsets_and_the_elements_in_order() {
        let templates = Templates::new(&plan(None));
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
        let templates = Templates::new(&plan(Some("secret")));
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

    #[test]
    fn a_repeat_is_its_push_again_and_a_cancel_names_it() {
        let acts = [(Act::Repeat { after: 1 }, 1), (Act::Cancel { after: 1 }, 1)];
        let mut shapes = Mix::emergency().shapes().to_vec();
        shapes
            .iter_mut()
            .for_each(|shape| (shape.weight, shape.class, shape.client) = (1, None, 1));
        let other_clients = vec![(Xpid::from_value(7).expect("legal"), Some("other".to_owned()))];
        let templates = Templates::new(&Plan {
            mix: Mix::with("own", shapes, &acts),
            other_clients,
            ..plan(None)
        });
        let rendered = |index| {
            let mut request = Vec::new();
            let subject = templates.render(index, &mut request);
            (subject, String::from_utf8(request).expect("UTF-8"))
        };
        let (mut repeats, mut cancels) = (0, 0);
        for index in 0..500 {
            let (subject, request) = rendered(index);
            assert!(
                request.contains("Bearer other") && request.contains("<svcid>00000000007</svcid>")
            );
            match templates.deed(index) {
                Deed::Repeat { of, .. } => {
                    assert_eq!((subject, &request), (of, &rendered(of).1));
                    repeats += 1;
                }
                Deed::Cancel { of, .. } => {
                    let of_it = rendered(of).1;
                    let named = of_it
                        .find("<msn>")
                        .map(|at| of_it[at..at + 60].to_owned())
                        .expect("an msn");
                    assert!(
                        request.contains("<fncid>0201") && request.contains(&named),
                        "{request}"
                    );
                    cancels += 1;
                }
                _ => assert_eq!(subject, index),
            }
        }
        assert!(repeats > 5 && cancels > 5);
    }

    #[test]
    fn a_bad_request_breaks_its_rule_and_no_other() {
        let acts: Vec<(Act, u32)> =
            FAULTS.iter().map(|(fault, ..)| (Act::Bad(*fault), 1)).collect();
        let mix = Mix::with("own", Mix::sample().shapes().to_vec(), &acts);
        let templates = Templates::new(&Plan { mix, ..plan(None) });
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..500 {
            let Deed::Bad(fault) = templates.deed(index) else { continue };
            let mut request = Vec::new();
            templates.render(index, &mut request);
            let head = crate::http::read_message(&request).expect("HTTP").expect("whole");
            assert_eq!(head.octets(), request.len(), "{}", fault.name());
            let scanned = wire::push::scan::scan(&request[head.head_octets..]).map_err(|e| e.code);
            let told_by_the_scanner = (1_000..2_000).contains(&fault.code());
            let code = scanned.err().map(|code| code.to_string());
            let expected = told_by_the_scanner.then(|| format!("{:04}", fault.code()));
            assert_eq!(code, expected, "{}", fault.name());
            seen.insert(fault);
        }
        assert_eq!(seen.len(), FAULTS.len());
    }
}
