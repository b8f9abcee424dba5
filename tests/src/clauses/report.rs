//! The rules with their citations, and what is wrong between the two.

use super::{Citation, Kept, List, Rule, Use};
use std::fmt;

/// The list and the citations of all sources.
#[derive(Clone, Debug)]
pub struct Report {
    list: List,
    cited: Vec<Citation>,
}

impl Report {
    /// Puts the two together.
    pub fn of(list: List, cited: Vec<Citation>) -> Self {
        Self { list, cited }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.list.rules
    }

    /// The rules whose id or sentence has this text in it, in any case; with their citations.
    #[must_use]
    pub fn about(&self, text: &str) -> Self {
        let wanted = text.to_lowercase();
        let has = |words: &str| words.to_lowercase().contains(&wanted);
        let is_wanted = |rule: &&Rule| has(&rule.id) || has(&rule.sentence);
        let rules: Vec<Rule> = self.list.rules.iter().filter(is_wanted).cloned().collect();
        let is_cited = |citation: &&Citation| rules.iter().any(|rule| rule.id == citation.id);
        let cited = self.cited.iter().filter(is_cited).cloned().collect();
        Self { list: List { rules, faults: Vec::new() }, cited }
    }

    /// What is wrong, one sentence each; empty where list, code and tests agree.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.list.faults.clone();
        faults.extend(self.cited.iter().filter_map(|citation| self.fault_of_citation(citation)));
        faults.extend(self.list.rules.iter().filter_map(|rule| self.fault_of_rule(rule)));
        faults
    }

    fn fault_of_citation(&self, citation: &Citation) -> Option<String> {
        let Citation { id, place, line, at, exact } = citation;
        if *exact && !self.list.has(id) {
            return Some(format!("{place}:{line} cites {id}, which is no rule of the list"));
        }
        if *exact && *at == Use::Nothing {
            return Some(format!("{place}:{line} cites {id} at no test"));
        }
        if !*exact && !self.list.has_clause(id) {
            return Some(format!("{place}:{line} names {id}, which is no clause of the list"));
        }
        None
    }

    fn fault_of_rule(&self, rule: &Rule) -> Option<String> {
        let id = &rule.id;
        let (code, tests) = (self.code(rule).count(), self.tests(rule).count());
        match (&rule.kept, code, tests) {
            (Kept::CodeAndTest | Kept::NoTest(_), 0, _) => Some(format!("no code cites {id}")),
            (Kept::CodeAndTest, _, 0) => Some(format!("no test cites {id}")),
            (Kept::NoTest(_), _, 1..) => Some(format!("a test cites {id}, which has none")),
            (Kept::NotHere(_), 1.., _) => Some(format!("code cites {id}, which is not here")),
            (Kept::NotHere(_), _, 1..) => Some(format!("a test cites {id}, which is not here")),
            _ => None,
        }
    }

    /// The places in code that cite a rule.
    pub fn code<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Citation> {
        self.of_rule(rule).filter(|citation| citation.at == Use::Code)
    }

    /// The tests that cite a rule.
    pub fn tests<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Citation> {
        self.of_rule(rule).filter(|citation| matches!(citation.at, Use::Test(_)))
    }

    fn of_rule<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Citation> {
        self.cited.iter().filter(|citation| citation.id == rule.id)
    }

    /// How many rules have code and a test, code alone, and neither.
    pub fn counts(&self) -> (usize, usize, usize) {
        let with_code = |rule: &&Rule| self.code(rule).next().is_some();
        let with_test = |rule: &&Rule| self.tests(rule).next().is_some();
        let code = self.list.rules.iter().filter(with_code).count();
        let both = self.list.rules.iter().filter(with_code).filter(with_test).count();
        (both, code - both, self.list.rules.len() - code)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.list.rules {
            writeln!(formatter, "{}\n    {}", rule.id, rule.sentence)?;
            match &rule.kept {
                Kept::CodeAndTest => {}
                Kept::NoTest(why) => writeln!(formatter, "    no test: {why}")?,
                Kept::NotHere(why) => writeln!(formatter, "    not here: {why}")?,
            }
            for Citation { place, line, .. } in self.code(rule) {
                writeln!(formatter, "    code  {place}:{line}")?;
            }
            for Citation { place, line, at, .. } in self.tests(rule) {
                let Use::Test(name) = at else { continue };
                writeln!(formatter, "    test  {place}:{line} {name}")?;
            }
        }
        let (both, code, neither) = self.counts();
        writeln!(formatter, "\n{} rules", self.list.rules.len())?;
        writeln!(formatter, "{both:>5} with code and tests")?;
        writeln!(formatter, "{code:>5} with code only")?;
        writeln!(formatter, "{neither:>5} with neither")
    }
}
