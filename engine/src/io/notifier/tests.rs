use super::*;
use wire::terms::time::WallMs;

fn plan(xpid: u64, url: &str, address: &str) -> EndpointPlan {
    EndpointPlan {
        xpid: Xpid::from_value(xpid).expect("an XPID"),
        url: NotifyUrl::parse(url).expect("a URL"),
        addresses: vec![address.parse().expect("an address")],
        connections: 1,
        depth: 1,
        secrets: Vec::new(),
    }
}

#[test]
fn an_endpoint_that_stays_as_it_is_goes_on_resting_when_another_one_changes() {
    let mut notifier = Notifier::new(4, Budget::new());
    let stays = plan(1, "http://192.0.2.1/", "192.0.2.1:80");
    notifier.set_plans(&[stays.clone(), plan(2, "http://192.0.2.2/", "192.0.2.2:80")]);
    notifier.ready.clear();
    let now = Now {
        wall_ms: WallMs::new(1_000),
        steady_ms: SteadyMs::new(1_000),
        steady_ns: 1_000_000_000,
    };
    for endpoint in notifier.endpoints.values_mut() {
        endpoint.rest(now);
        endpoint.has_trouble("nobody answers there".to_owned());
    }
    notifier.set_plans(&[stays, plan(2, "http://192.0.2.3/", "192.0.2.3:80")]);
    assert_eq!(notifier.ready, [2], "only what changed is looked at");
    let rests = |key| notifier.endpoints[&key].resting_until_ms > now.steady_ms;
    assert_eq!((rests(1), rests(2)), (true, false));
    let is_troubled = |key| notifier.endpoints[&key].trouble.is_some();
    assert_eq!((is_troubled(1), is_troubled(2)), (true, false), "of another URL it is not true");
}
