//! The daily bill as an operator's script reads it: by the names of its columns.

use crate::push::day_in;
use crate::site::Site;

/// A day's or a month's report.
#[derive(Clone, Debug)]
pub struct Bill {
    rows: Vec<Vec<String>>,
}

impl Bill {
    /// Reads what `billing day` and `billing month` print.
    pub fn read(text: &str) -> Self {
        Self {
            rows: text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect(),
        }
    }

    /// The bill of today; the days before and after in Japan are added, for tests that run over
    /// midnight.
    ///
    /// # Panics
    /// When the engine's command fails.
    #[track_caller]
    pub fn of_these_days(site: &Site) -> Self {
        let rows = |day: i64| Self::read(&site.must(&["billing", "day", &day_in(day)])).rows;
        let today = rows(0);
        let mut all = today;
        for day in [-1, 1] {
            all.extend(rows(day).into_iter().skip(1));
        }
        Self { rows: all }
    }

    /// The sum of a column over the rows of an XPID.
    ///
    /// # Panics
    /// When there is no such column, or something in it that is no count.
    #[track_caller]
    pub fn sum(&self, xpid: &str, column: &str) -> u64 {
        let header = self.rows.first().expect("a header");
        let at = header.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("no column {column} in {header:?}"));
        let of_xpid = self.rows.iter().filter(|row| row[0] == xpid);
        of_xpid.map(|row| row[at].parse::<u64>().expect("a count")).sum()
    }
}
