//! Carriers and the rules that say which pushes go by them.

use rusqlite::params;
use wire::json;
use wire::terms::ids::{Class, Xpid};

use super::{Store, StoreError, integer, xpid_of};
use crate::control::carriers::CarrierSettings;
use crate::control::limits::ROUTES_MAX;
use crate::network::routes::{CarrierChoice, Routes, Rule};
use crate::network::smpp::carrier::CARRIERS_MAX;

/// What stands in a rule's row for every XPID, and for every class.
const ANY: i64 = -1;

impl Store {
    /// Every carrier with its number, in the order of their numbers.
    pub fn carriers(&self) -> Result<Vec<(u8, CarrierSettings)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT number, name, settings FROM carrier ORDER BY number")?;
        let mut found = statement.query([])?;
        let mut carriers = Vec::new();
        while let Some(row) = found.next()? {
            let (number, name, settings): (u8, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let settings = json::read(&mut settings.into_bytes())
                .map_err(|error| StoreError::DamagedCarrier { name, detail: error.to_string() })?;
            carriers.push((number, settings));
        }
        Ok(carriers)
    }

    /// The carrier of this name, with its number.
    pub fn carrier(&self, name: &str) -> Result<(u8, CarrierSettings), StoreError> {
        let carriers = self.carriers()?;
        let found = carriers.into_iter().find(|(_, settings)| settings.name == name);
        found.ok_or_else(|| StoreError::NoCarrier(name.to_owned()))
    }

    /// Adds a carrier whose name must be new; its number.
    pub fn add_carrier(&mut self, settings: &CarrierSettings) -> Result<u8, StoreError> {
        let carriers = self.carriers()?;
        if carriers.iter().any(|(_, other)| other.name == settings.name) {
            return Err(StoreError::CarrierExists(settings.name.clone()));
        }
        if carriers.len() >= CARRIERS_MAX {
            return Err(StoreError::TooManyCarriers);
        }
        let number = self.next_carrier_number(&carriers)?;
        self.put_carrier(number, settings)?;
        Ok(number)
    }

    /// A number that no carrier has had before: what was handed over to one that is gone names it.
    /// The highest are followed by the lowest that are free.
    fn next_carrier_number(
        &mut self,
        carriers: &[(u8, CarrierSettings)],
    ) -> Result<u8, StoreError> {
        let last: u8 = self.connection.query_row(
            "SELECT number FROM carrier_last_number WHERE one = 1",
            [],
            |row| row.get(0),
        )?;
        let is_free = |number: &u8| carriers.iter().all(|(taken, _)| taken != number);
        let number = (1..=u8::MAX).cycle().skip(usize::from(last)).find(is_free);
        let number = number.ok_or(StoreError::TooManyCarriers)?;
        let transaction = self.begin()?;
        transaction.execute("UPDATE carrier_last_number SET number = ?1", [number])?;
        transaction.commit()?;
        Ok(number)
    }

    /// Writes a carrier's settings in place of those under its number, or adds it.
    pub fn put_carrier(
        &mut self,
        number: u8,
        settings: &CarrierSettings,
    ) -> Result<(), StoreError> {
        let text = simd_json::to_string(settings).map_err(|error| StoreError::DamagedCarrier {
            name: settings.name.clone(),
            detail: error.to_string(),
        })?;
        let transaction = self.begin()?;
        transaction.execute(
            "INSERT OR REPLACE INTO carrier (number, name, settings) VALUES (?1, ?2, ?3)",
            params![number, settings.name, text],
        )?;
        Ok(transaction.commit()?)
    }

    /// Removes a carrier by which no push goes.
    pub fn remove_carrier(&mut self, name: &str) -> Result<(), StoreError> {
        let (number, _) = self.carrier(name)?;
        let routes = self.routes()?.iter().filter(|rule| rule.choice.has(number)).count() as u64;
        if routes > 0 {
            return Err(StoreError::HasRoutes { name: name.to_owned(), routes });
        }
        let transaction = self.begin()?;
        transaction.execute("DELETE FROM carrier WHERE number = ?1", [number])?;
        Ok(transaction.commit()?)
    }

    /// Every rule.
    pub fn routes(&self) -> Result<Vec<Rule>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT prefix, xpid, class, carrier, choice FROM carrier_route \
             ORDER BY prefix, xpid, class",
        )?;
        let mut found = statement.query([])?;
        let mut rules = Vec::new();
        while let Some(row) = found.next()? {
            let (xpid, class): (i64, i64) = (row.get(1)?, row.get(2)?);
            let (prefix, carrier, choice): (String, u8, String) =
                (row.get(0)?, row.get(3)?, row.get(4)?);
            let choice = match choice.as_str() {
                // From before a route had several.
                "" => CarrierChoice::of(carrier),
                _ => json::read(&mut choice.into_bytes()).map_err(|error| {
                    let detail = error.to_string();
                    StoreError::DamagedRoute { prefix: prefix.clone(), detail }
                })?,
            };
            rules.push(Rule {
                prefix,
                xpid: xpid_of(xpid),
                class: u8::try_from(class).ok().and_then(Class::from_number),
                choice,
            });
        }
        Ok(rules)
    }

    /// Adds a rule, or puts it in the place of the one that is as exact.
    pub fn put_route(&mut self, rule: &Rule) -> Result<(), StoreError> {
        let mut rules = self.routes()?;
        let key = |rule: &Rule| (rule.prefix.clone(), rule.xpid, rule.class);
        rules.retain(|other| key(other) != key(rule));
        if rules.len() >= ROUTES_MAX {
            return Err(StoreError::TooManyRoutes);
        }
        rules.push(rule.clone());
        Routes::new(rules)?;
        let (xpid, class) = key_of(rule.xpid, rule.class);
        let first = rule.choice.members.first().map_or(0, |member| member.carrier);
        let choice = simd_json::to_string(&rule.choice).map_err(|error| {
            StoreError::DamagedRoute { prefix: rule.prefix.clone(), detail: error.to_string() }
        })?;
        let transaction = self.begin()?;
        transaction.execute(
            "INSERT OR REPLACE INTO carrier_route (prefix, xpid, class, carrier, choice) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![rule.prefix, xpid, class, first, choice],
        )?;
        Ok(transaction.commit()?)
    }

    /// Removes a rule.
    pub fn remove_route(
        &mut self,
        prefix: &str,
        xpid: Option<Xpid>,
        class: Option<Class>,
    ) -> Result<(), StoreError> {
        let (xpid, class) = key_of(xpid, class);
        let transaction = self.begin()?;
        let removed = transaction.execute(
            "DELETE FROM carrier_route WHERE prefix = ?1 AND xpid = ?2 AND class = ?3",
            params![prefix, xpid, class],
        )?;
        if removed == 0 {
            return Err(StoreError::NoRoute);
        }
        Ok(transaction.commit()?)
    }
}

fn key_of(xpid: Option<Xpid>, class: Option<Class>) -> (i64, i64) {
    let xpid = xpid.map_or(ANY, |xpid| integer(xpid.value()));
    (xpid, class.map_or(ANY, |class| i64::from(class.number())))
}
