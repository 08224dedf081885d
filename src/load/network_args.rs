//! The part of the command line that makes up a network between callers and node.

use super::impairment::{Blackout, Impairment, NetworkProfile, parse_ms, parse_ppm, parse_share};
use super::plan::{Plan, random_u32};
use super::plan_error::PlanError;

/// What happens to the callers' packets on their way to the node. Numbers replace those of the profile.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network between callers and node")]
pub struct NetworkArgs {
    /// A usual mixture of all that follows.
    #[arg(long, value_enum, value_name = "NAME")]
    pub network: Option<NetworkProfile>,

    /// Packets lost, of all.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub loss: Option<f64>,

    /// Packets lost in a row, on average (Gilbert's model); without it each is lost for itself.
    #[arg(long, value_name = "N")]
    pub burst: Option<f64>,

    /// What every packet takes.
    #[arg(long, value_name = "TIME", value_parser = parse_ms)]
    pub delay: Option<f64>,

    /// What a packet takes besides, on average: exponentially distributed, cut at five times this. Packets stay in
    /// order.
    #[arg(long, value_name = "TIME", value_parser = parse_ms)]
    pub jitter: Option<f64>,

    /// Packets held back until one to three others have passed.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub reorder: Option<f64>,

    /// Packets that come twice, up to 10 ms apart.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub duplicate: Option<f64>,

    /// How fast the callers' clocks run: legs with even numbers so much fast, the others as much slow.
    #[arg(long, value_name = "PPM", value_parser = parse_ppm, allow_hyphen_values = true)]
    pub drift: Option<f64>,

    /// Nothing gets through for LENGTH, beginning so long AFTER measuring began, and again EVERY so long; several with
    /// commas.
    #[arg(long, value_name = "LENGTH@AFTER[/EVERY],..", value_delimiter = ',')]
    pub blackout: Vec<Blackout>,

    /// Decides what becomes of each packet: the same seed is the same network. Drawn anew, and reported, unless given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl NetworkArgs {
    /// The plan with this network.
    ///
    /// # Errors
    /// When no network is like that.
    pub(super) fn apply(&self, plan: Plan) -> Result<Plan, PlanError> {
        let seed = self.seed.unwrap_or_else(|| u64::from(random_u32()));
        plan.with_network(self.impairment(), seed)
    }

    fn impairment(&self) -> Impairment {
        let profile = self.network.map_or_else(Impairment::default, NetworkProfile::impairment);
        Impairment {
            loss: self.loss.unwrap_or(profile.loss),
            // A share of loss of one's own is not in the profile's bursts.
            burst: self.burst.or_else(|| profile.burst.filter(|_| self.loss.is_none())),
            delay_ms: self.delay.unwrap_or(profile.delay_ms),
            jitter_ms: self.jitter.unwrap_or(profile.jitter_ms),
            reorder: self.reorder.unwrap_or(profile.reorder),
            duplicate: self.duplicate.unwrap_or(profile.duplicate),
            drift_ppm: self.drift.unwrap_or(profile.drift_ppm),
            blackouts: if self.blackout.is_empty() { profile.blackouts } else { self.blackout.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        network: NetworkArgs,
    }

    fn plan(line: &str) -> Result<Plan, String> {
        let cli = Cli::try_parse_from(line.split_ascii_whitespace()).map_err(|error| error.to_string())?;
        let plan = Plan::new(2, 1, 2, 10).unwrap();
        cli.network.apply(plan).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_replace_those_of_the_profile() {
        let network = plan("x --network mobile --loss 5% --drift -50ppm --blackout 2s@10s,1s@20s/10s");
        let network = network.unwrap().network().clone();
        let mobile = NetworkProfile::Mobile.impairment();
        assert_eq!((network.loss, network.burst, network.drift_ppm), (0.05, None, -50.0));
        assert_eq!((network.jitter_ms, network.blackouts.len()), (mobile.jitter_ms, 2));
    }

    #[test]
    fn nothing_asked_for_is_no_network_and_a_seed_is_kept() {
        assert!(plan("x").unwrap().network().is_none());
        assert_eq!(plan("x --seed 7 --loss 1%").unwrap().seed(), 7);
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_flag() {
        for (line, flag) in [
            ("x --loss 120%", "--loss"),
            ("x --jitter 20", "--jitter"),
            ("x --blackout 2s", "--blackout"),
            ("x --network moon", "--network"),
            ("x --burst 0 --loss 1%", "--burst"),
        ] {
            let problem = plan(line).unwrap_err();
            assert!(problem.contains(flag), "{line}: {problem}");
        }
    }
}
