//! Which pushes go by which carrier.
//!
//! A rule names a prefix of msns, and where it says so an XPID or a class. Among the rules that fit
//! a push the longest prefix wins, then one that names its XPID, then one that names its class. A
//! push that no rule fits goes to the core network.

use wire::terms::ids::{Class, Msn, Xpid};

/// The route of a push that no carrier takes: the core network.
pub const CORE_NETWORK: u8 = 0;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The first digits of an msn, its 0 in front: 1 to 11.
    pub prefix: String,
    /// Only pushes of this XPID.
    pub xpid: Option<Xpid>,
    /// Only pushes of this class.
    pub class: Option<Class>,
    /// The carrier's number, 1 to 7.
    pub carrier: u8,
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

/// All rules.
#[derive(Clone, Default, Debug)]
pub struct Routes {
    /// The most exact first.
    rules: Vec<Rule>,
}

impl Routes {
    /// Of these rules.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.rank()));
        Self { rules }
    }

    /// Where a push goes: [`CORE_NETWORK`], or the number of a carrier. O(rules).
    #[inline]
    pub fn route_of(&self, msn: Msn, xpid: Xpid, class: Class) -> u8 {
        if self.rules.is_empty() { CORE_NETWORK } else { self.look_up(msn, xpid, class) }
    }

    fn look_up(&self, msn: Msn, xpid: Xpid, class: Class) -> u8 {
        let digits = msn.digits();
        let rule = self.rules.iter().find(|rule| rule.fits(&digits, xpid, class));
        rule.map_or(CORE_NETWORK, |rule| rule.carrier)
    }

    /// The highest number of a route, 0 where there is the core network alone.
    pub fn last(&self) -> u8 {
        self.rules.iter().map(|rule| rule.carrier).max().unwrap_or(CORE_NETWORK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_then_the_xpid_then_the_class() {
        let xpid = |number| Xpid::from_value(number).expect("an XPID");
        let rule = |prefix: &str, of, class, carrier| Rule {
            prefix: prefix.to_owned(),
            xpid: of,
            class,
            carrier,
        };
        let (one, other) = (xpid(10_000_000_001), xpid(10_000_000_002));
        let routes = Routes::new(vec![
            rule("0", None, None, 1),
            rule("090", None, Some(Class::Emergency), 2),
            rule("090", Some(one), None, 3),
            rule("0901", None, None, 4),
        ]);
        let of = |msn: &str, xpid, class| {
            routes.route_of(Msn::parse(msn.as_bytes()).expect("an msn"), xpid, class)
        };
        assert_eq!(of("08000000000", one, Class::Standard), 1);
        assert_eq!(of("09000000000", other, Class::Standard), 1);
        assert_eq!(of("09000000000", other, Class::Emergency), 2);
        assert_eq!(of("09000000000", one, Class::Emergency), 3);
        assert_eq!(of("09010000000", one, Class::Emergency), 4);
        assert_eq!(routes.last(), 4);
        let none = Routes::default();
        let msn = Msn::parse(b"09000000000").expect("an msn");
        assert_eq!((none.route_of(msn, one, Class::Urgent), none.last()), (CORE_NETWORK, 0));
    }
}
