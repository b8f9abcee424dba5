//! Which pushes go by which carriers.
//!
//! A rule names a prefix of msns, and where it says so an XPID or a class. Among the rules that fit
//! a push the longest prefix wins, then one that names its XPID, then one that names its class. A
//! push that no rule fits goes to the core network.
//!
//! A rule has a *choice* of carriers: some by weight, and backups. Rules with the same choice are
//! one *route*, which is a number: pushes of a route wait in one order.

use serde::{Deserialize, Serialize};
use wire::smpp::coding::Alphabet;
use wire::terms::ids::{Class, Msn, Xpid};

/// The route of a push that no carrier takes: the core network.
pub const CORE_NETWORK: u8 = 0;
/// Most routes beside the core network: a push has three bits for its own.
pub const CHOICES_MAX: usize = 7;
/// Most carriers of a route.
pub const MEMBERS_MAX: usize = 7;
/// The largest weight of a carrier.
pub const WEIGHT_MAX: u8 = 100;
/// How long the carriers of a route are down or choked before its backups take over, seconds.
pub const FAILOVER_AFTER_S: u16 = 10;

/// One carrier of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The carrier's number.
    pub carrier: u8,
    /// Its share of the pushes, 1 to [`WEIGHT_MAX`]: as much as the weights of those that take
    /// pushes say together.
    pub weight: u8,
    /// It takes pushes only where the others do not.
    pub backup: bool,
}

/// The carriers of a route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CarrierChoice {
    /// Each carrier once, 1 to [`MEMBERS_MAX`].
    pub members: Vec<Member>,
    /// How long the others are down or choked before backups take over, seconds.
    pub failover_after_s: u16,
    /// What one of them could not deliver goes by another, once.
    #[serde(default)]
    pub elsewhere: bool,
}

impl CarrierChoice {
    /// One carrier alone.
    pub fn of(carrier: u8) -> Self {
        let members = vec![Member { carrier, weight: 1, backup: false }];
        Self { members, failover_after_s: FAILOVER_AFTER_S, elsewhere: false }
    }

    /// The same without this carrier, where another is left; what goes by it goes nowhere else.
    fn without(&self, carrier: u8) -> Option<Self> {
        self.of_those(|other| other != carrier)
    }

    /// The same with these carriers alone, where there are any.
    fn of_those(&self, stays: impl Fn(u8) -> bool) -> Option<Self> {
        let mut members = self.members.clone();
        members.retain(|member| stays(member.carrier));
        let failover_after_s = self.failover_after_s;
        (!members.is_empty()).then_some(Self { members, failover_after_s, elsewhere: false })
    }

    /// Whether the carrier is one of them.
    pub fn has(&self, carrier: u8) -> bool {
        self.members.iter().any(|member| member.carrier == carrier)
    }
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The first digits of an msn, its 0 in front: 1 to 11.
    pub prefix: String,
    /// Only pushes of this XPID.
    pub xpid: Option<Xpid>,
    /// Only pushes of this class.
    pub class: Option<Class>,
    /// The carriers.
    pub choice: CarrierChoice,
}

impl Rule {
    fn fits(&self, digits: &[u8], xpid: Xpid, class: Class) -> bool {
        digits.starts_with(self.prefix.as_bytes())
            && self.xpid.is_none_or(|only| only == xpid)
            && self.class.is_none_or(|only| only == class)
    }

    /// How exactly it says whom it fits.
    fn rank(&self) -> (usize, bool, bool) {
        (self.prefix.len(), self.xpid.is_some(), self.class.is_some())
    }
}

/// There are more different choices than routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the routes have more than {CHOICES_MAX} different choices of carriers, the most that there \
     can be; one with elsewhere has a choice more for each of its carriers: give several prefixes \
     the same choice"
)]
pub struct TooManyChoices;

/// All rules.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Routes {
    /// The most exact first, each with its route.
    rules: Vec<(Rule, u8)>,
    /// By route, from 1 on.
    choices: Vec<CarrierChoice>,
    /// A route, a carrier of it, and the route of what that could not deliver.
    elsewhere: Vec<(u8, u8, u8)>,
    /// Carriers that take query_sm.
    queried: Vec<u8>,
    /// A route, a carrier of it, and the route of what that has no room for in its alphabet.
    passed_over: Vec<(u8, u8, u8)>,
    /// By route, from 1 on: in what all its carriers take text; none where all take GSM 7-bit.
    alphabets: Vec<Alphabet>,
}

/// How much an alphabet lacks of GSM 7-bit.
fn poverty(alphabet: Alphabet) -> u8 {
    match alphabet {
        Alphabet::Gsm | Alphabet::GsmPacked => 0,
        Alphabet::Latin1 => 1,
        Alphabet::Ascii => 2,
    }
}

impl Routes {
    /// Of these rules.
    ///
    /// # Errors
    /// More than [`CHOICES_MAX`] different choices.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, TooManyChoices> {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.rank()));
        let mut routes = Self::default();
        for rule in rules {
            let route = routes.number_of(&rule.choice);
            routes.rules.push((rule, route));
        }
        for route in 1..=routes.choices.len() {
            let choice = routes.choices[route - 1].clone();
            for carrier in choice.members.iter().map(|member| member.carrier) {
                if let Some(rest) = choice.without(carrier).filter(|_| choice.elsewhere) {
                    let other = routes.number_of(&rest);
                    routes.elsewhere.push((route as u8, carrier, other));
                }
            }
        }
        if routes.choices.len() > CHOICES_MAX { Err(TooManyChoices) } else { Ok(routes) }
    }

    /// The same, with the carriers that take query_sm.
    pub fn with_queried(self, queried: Vec<u8>) -> Self {
        Self { queried, ..self }
    }

    /// The same, where carriers take text in these alphabets. A route has the poorest of its
    /// carriers, backups too: a push is encoded once, whichever of them takes it. What was encoded
    /// before such a carrier came into its route may find no room there: it goes by the route of
    /// those that lack less, as far as there may be more routes.
    pub fn with_alphabets(mut self, of_carriers: Vec<(u8, Alphabet)>) -> Self {
        let of = |carrier: u8| {
            let found = of_carriers.iter().find(|(number, _)| *number == carrier);
            found.map_or(Alphabet::Gsm, |&(_, alphabet)| alphabet)
        };
        let mut route = 0;
        while let Some(choice) = self.choices.get(route).cloned() {
            route += 1;
            for carrier in choice.members.iter().map(|member| member.carrier) {
                let lacks_less = |other: u8| poverty(of(other)) < poverty(of(carrier));
                let Some(rest) = choice.of_those(lacks_less) else { continue };
                if self.choices.len() < CHOICES_MAX || self.choices.contains(&rest) {
                    let other = self.number_of(&rest);
                    self.passed_over.push((route as u8, carrier, other));
                }
            }
        }
        let poorest = |choice: &CarrierChoice| {
            let all = choice.members.iter().map(|member| of(member.carrier));
            all.max_by_key(|&alphabet| poverty(alphabet)).unwrap_or_default()
        };
        let mut alphabets: Vec<Alphabet> = self.choices.iter().map(poorest).collect();
        if alphabets.iter().all(|&alphabet| poverty(alphabet) == 0) {
            alphabets.clear();
        }
        Self { alphabets, ..self }
    }

    /// Whether there are routes whose carriers lack characters of GSM 7-bit.
    #[inline]
    pub fn any_lacks(&self) -> bool {
        !self.alphabets.is_empty()
    }

    /// In what all carriers of a route take text.
    pub fn alphabet(&self, route: u8) -> Alphabet {
        let at = usize::from(route).checked_sub(1);
        at.and_then(|at| self.alphabets.get(at)).copied().unwrap_or_default()
    }

    /// Whether there are carriers that can be asked what has become of an SMS.
    pub fn any_queried(&self) -> bool {
        !self.queried.is_empty()
    }

    /// Whether this one can.
    pub fn is_queried(&self, carrier: u8) -> bool {
        self.queried.contains(&carrier)
    }

    /// The route of this choice, which is added where there is none.
    fn number_of(&mut self, choice: &CarrierChoice) -> u8 {
        let known = self.choices.iter().position(|other| other == choice);
        let at = known.unwrap_or_else(|| {
            self.choices.push(choice.clone());
            self.choices.len() - 1
        });
        at.saturating_add(1).min(usize::from(u8::MAX)) as u8
    }

    /// Where a push of this route goes that this carrier could not deliver; `None`: nowhere.
    pub fn elsewhere_of(&self, route: u8, carrier: u8) -> Option<u8> {
        let found = self.elsewhere.iter().find(|(of, by, _)| (*of, *by) == (route, carrier));
        found.map(|&(_, _, other)| other)
    }

    /// Where a push of this route goes that this carrier has no room for in its alphabet; `None`:
    /// nowhere.
    pub fn passing_over(&self, route: u8, carrier: u8) -> Option<u8> {
        let found = self.passed_over.iter().find(|(of, by, _)| (*of, *by) == (route, carrier));
        found.map(|&(_, _, other)| other)
    }

    /// Where a push goes: [`CORE_NETWORK`], or the number of a route. O(rules).
    #[inline]
    pub fn route_of(&self, msn: Msn, xpid: Xpid, class: Class) -> u8 {
        if self.rules.is_empty() { CORE_NETWORK } else { self.look_up(msn, xpid, class) }
    }

    fn look_up(&self, msn: Msn, xpid: Xpid, class: Class) -> u8 {
        let digits = msn.digits();
        let rule = self.rules.iter().find(|(rule, _)| rule.fits(&digits, xpid, class));
        rule.map_or(CORE_NETWORK, |&(_, route)| route)
    }

    /// The carriers of a route; `None` of the core network's.
    pub fn choice(&self, route: u8) -> Option<&CarrierChoice> {
        self.choices.get(usize::from(route).checked_sub(1)?)
    }

    /// The choices in the order of their routes, which begin with 1.
    pub fn choices(&self) -> &[CarrierChoice] {
        &self.choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str, xpid: Option<Xpid>, class: Option<Class>, carrier: u8) -> Rule {
        Rule { prefix: prefix.to_owned(), xpid, class, choice: CarrierChoice::of(carrier) }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_xpid_then_the_class() {
        let xpid = |number| Xpid::from_value(number).expect("an XPID");
        let (one, other) = (xpid(10_000_000_001), xpid(10_000_000_002));
        let routes = Routes::new(vec![
            rule("0", None, None, 1),
            rule("090", None, Some(Class::Emergency), 2),
            rule("090", Some(one), None, 3),
            rule("0901", None, None, 4),
        ])
        .expect("few choices");
        let of = |msn: &str, xpid, class| {
            let route = routes.route_of(Msn::parse(msn.as_bytes()).expect("an msn"), xpid, class);
            routes.choice(route).map(|choice| choice.members[0].carrier)
        };
        assert_eq!(of("08000000000", one, Class::Standard), Some(1));
        assert_eq!(of("09000000000", other, Class::Standard), Some(1));
        assert_eq!(of("09000000000", other, Class::Emergency), Some(2));
        assert_eq!(of("09000000000", one, Class::Emergency), Some(3));
        assert_eq!(of("09010000000", one, Class::Emergency), Some(4));
        let none = Routes::default();
        let msn = Msn::parse(b"09000000000").expect("an msn");
        assert_eq!(none.route_of(msn, one, Class::Urgent), CORE_NETWORK);
        assert_eq!(none.choice(CORE_NETWORK), None);
    }

    #[test]
    fn what_a_carrier_could_not_deliver_goes_by_the_others_of_its_route_once() {
        let mut rules = vec![rule("09", None, None, 1), rule("08", None, None, 1)];
        let more = [(2, false), (3, true)];
        let member = |(carrier, backup)| Member { carrier, weight: 1, backup };
        rules[0].choice.members.extend(more.map(member));
        rules[0].choice.elsewhere = true;
        let routes = Routes::new(rules.clone()).expect("few choices");
        let xpid = Xpid::from_value(10_000_000_001).expect("an XPID");
        let of =
            |msn: &[u8]| routes.route_of(Msn::parse(msn).expect("an msn"), xpid, Class::Standard);
        let (all, one) = (of(b"09000000000"), of(b"08000000000"));
        let rest = routes.elsewhere_of(all, 2).expect("two are left");
        let choice = routes.choice(rest).expect("a route");
        let left: Vec<u8> = choice.members.iter().map(|member| member.carrier).collect();
        assert_eq!(left, [1, 3]);
        assert_eq!(routes.elsewhere_of(rest, 1), None, "once");
        assert_eq!((routes.elsewhere_of(all, 4), routes.elsewhere_of(one, 1)), (None, None));
        rules.extend((2..=4).map(|carrier| rule(&format!("07{carrier}"), None, None, carrier)));
        assert_eq!(Routes::new(rules).err(), Some(TooManyChoices));
    }

    #[test]
    fn what_a_carriers_alphabet_has_no_room_for_goes_by_those_that_lack_less() {
        let mut rules: Vec<Rule> = vec![rule("09", None, None, 1)];
        let more = [(2, false), (3, true)];
        let member = |(carrier, backup)| Member { carrier, weight: 1, backup };
        rules[0].choice.members.extend(more.map(member));
        let alphabets = [(1, Alphabet::Gsm), (2, Alphabet::Ascii), (3, Alphabet::Latin1)];
        let of = |rules: &[Rule]| {
            Routes::new(rules.to_vec()).expect("few choices").with_alphabets(alphabets.into())
        };
        let routes = of(&rules);
        let members = |route: Option<u8>| -> Vec<u8> {
            let choice = route.and_then(|route| routes.choice(route));
            choice.into_iter().flat_map(|of| &of.members).map(|of| of.carrier).collect()
        };
        assert_eq!(routes.passing_over(1, 1), None, "it lacks nothing");
        let others = routes.passing_over(1, 2);
        assert_eq!(members(others), [1, 3]);
        assert_eq!(members(routes.passing_over(1, 3)), [1]);
        assert_eq!(members(routes.passing_over(others.expect("a route"), 3)), [1]);
        assert_eq!(routes.alphabet(1), Alphabet::Ascii);
        // Where there is no room for more routes nothing is passed over.
        rules.extend((4..=9).map(|carrier| rule(&format!("0{carrier}0"), None, None, carrier)));
        let routes = of(&rules);
        assert_eq!((routes.choices().len(), routes.passing_over(1, 2)), (CHOICES_MAX, None));
    }

    #[test]
    fn rules_of_one_choice_are_one_route_and_there_are_seven() {
        let mut rules: Vec<Rule> =
            (1..=7).map(|carrier| rule(&format!("0{carrier}"), None, None, carrier)).collect();
        rules.push(rule("08", None, None, 7));
        let routes = Routes::new(rules.clone()).expect("seven choices");
        assert_eq!(routes.choices().len(), CHOICES_MAX);
        rules.push(rule("09", None, None, 8));
        assert_eq!(Routes::new(rules).err(), Some(TooManyChoices));
    }
}
