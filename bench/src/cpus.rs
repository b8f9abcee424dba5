//! Which CPUs the measured servers have, and which the load.

use clap::Args;
use loadgen::os;

/// The two sides' CPUs; the same flags for every bench.
#[derive(Args, Clone, Debug, Default)]
pub struct Sides {
    /// CPUs of the servers that are measured, such as 0-3 [default: the first half of all]
    #[arg(long, value_name = "LIST", value_parser = parse)]
    server_cpus: Option<List>,
    /// CPUs of the load and the sink [default: the others]
    #[arg(long, value_name = "LIST", value_parser = parse)]
    client_cpus: Option<List>,
}

/// A list of CPUs; a type of its own, because clap takes a `Vec` for a repeated flag.
#[derive(Clone, Debug)]
pub struct List(pub Vec<usize>);

/// A list of CPUs as a flag has it.
///
/// # Errors
/// One sentence.
pub fn parse(text: &str) -> Result<List, String> {
    os::parse_cpus(text).map(List)
}

impl Sides {
    /// The servers' CPUs and the load's; with a single CPU both share it.
    pub fn cpus(&self) -> (Vec<usize>, Vec<usize>) {
        let all = os::available_cpus();
        let half = (all.len() / 2).max(1);
        let rest = if all.len() > 1 { &all[half..] } else { &all[..] };
        let chosen = |list: &Option<List>, otherwise: &[usize]| {
            list.as_ref().map_or_else(|| otherwise.to_vec(), |list| list.0.clone())
        };
        (chosen(&self.server_cpus, &all[..half]), chosen(&self.client_cpus, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_are_apart_unless_told_otherwise() {
        let (server, client) = Sides::default().cpus();
        assert!(!server.is_empty() && !client.is_empty());
        assert!(os::available_cpus().len() == 1 || server.iter().all(|cpu| !client.contains(cpu)));
        let told = Sides { server_cpus: Some(List(vec![0, 1])), client_cpus: Some(List(vec![1])) };
        assert_eq!(told.cpus(), (vec![0, 1], vec![1]));
    }
}
