//! The list of rules: tables of a document, one for each source of rules.

/// What is asked of a rule's citations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Code and a test.
    CodeAndTest,
    /// Code; why no test shows it.
    NoTest(String),
    /// Nothing; why the rule is not for this product.
    NotHere(String),
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Source, clause and, where the clause has several rules, the rule's name.
    pub id: String,
    /// The rule in our words.
    pub sentence: String,
    /// What is asked of it.
    pub kept: Kept,
}

impl Rule {
    /// Source and clause, without the rule's name.
    pub fn clause(&self) -> &str {
        match self.id.strip_prefix("TS ").and_then(|rest| rest.match_indices(' ').nth(1)) {
            Some((at, _)) => &self.id[.."TS ".len() + at],
            None => &self.id,
        }
    }
}

/// The rules, and what is wrong with the list itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// In the order of the document.
    pub rules: Vec<Rule>,
    /// One sentence each.
    pub faults: Vec<String>,
}

impl List {
    /// Reads the tables. A heading of the second level is the source of the rules below it: in each
    /// row the rest of the id, the rule, and what is asked: nothing, `no test: WHY` or `not here:
    /// WHY`.
    pub fn parse(document: &str) -> Self {
        let mut list = Self::default();
        let mut source = "";
        for line in document.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                source = heading.trim();
            }
            let is_head = line.starts_with("| id ") || line.starts_with("|---");
            if line.starts_with('|') && !is_head {
                list.take_row(source, line);
            }
        }
        list
    }

    fn take_row(&mut self, source: &str, row: &str) {
        let row = row.trim().trim_matches('|');
        let mut cells = row.split('|').map(str::trim);
        let (Some(rest), Some(sentence), Some(asked), None) =
            (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            return self.faults.push(format!("the list has a row that is no rule: {row}"));
        };
        let id = format!("{source} {rest}");
        if source.is_empty() || rest.is_empty() || sentence.is_empty() {
            let fault =
                format!("the list has a rule without a heading, a name or a sentence: {row}");
            return self.faults.push(fault);
        }
        if self.rules.iter().any(|rule| rule.id == id) {
            return self.faults.push(format!("the list has {id} twice"));
        }
        let kept = match (asked, asked.split_once(": ")) {
            ("", _) => Kept::CodeAndTest,
            (_, Some(("no test", why))) => Kept::NoTest(why.to_owned()),
            (_, Some(("not here", why))) => Kept::NotHere(why.to_owned()),
            _ => {
                let fault = format!("{id} asks what cannot be asked, or says no reason: {asked}");
                return self.faults.push(fault);
            }
        };
        self.rules.push(Rule { id, sentence: sentence.to_owned(), kept });
    }

    /// Whether a rule has this id.
    pub fn has(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }

    /// Whether a rule belongs to this clause.
    pub fn has_clause(&self, clause: &str) -> bool {
        self.rules.iter().any(|rule| rule.clause() == clause)
    }
}
