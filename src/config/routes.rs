//! Where a call goes: an ordered table of patterns, the first that fits decides. A user nobody has a route
//! for is answered with 404.

use std::fmt;

/// The status for a user that no route fits: the one called does not exist here (RFC 3261 §21.4.5).
const NO_ROUTE: u16 = 404;

/// The most routes a table may hold. It is read from top to bottom for every call.
pub(super) const ROUTES_MAX: usize = 1_000;

/// What is to happen to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It enters a conference.
    Conference {
        /// The conference's name.
        name: String,
        /// Whether its media are to be SRTP, if the route says so.
        srtp: Option<SrtpPolicy>,
    },
    /// It follows a script.
    Script {
        /// Which.
        script: Box<RouteScript>,
        /// Whether its media are to be SRTP, if the route says so.
        srtp: Option<SrtpPolicy>,
    },
    /// It is refused with this SIP status, 400 to 699.
    Refuse(u16),
}

/// The script of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteScript {
    /// Where it is.
    pub source: ScriptSource,
    /// Where to ask if it cannot be had or read.
    pub fallback: Option<WebhookUrl>,
}

/// A script, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptSource {
    /// To be fetched.
    Url(WebhookUrl),
    /// The script itself.
    Inline(String),
}

/// An address to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    /// The address.
    pub url: String,
    /// With GET; else with POST.
    pub get: bool,
}

/// Whether a call's media are SRTP (RFC 3711), with keys in SDP (RFC 4568).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never: who offers only SRTP is refused.
    Off,
    /// If the far end offers it.
    Optional,
    /// Always: who offers only plain RTP is refused.
    Required,
}

impl fmt::Display for SrtpPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        })
    }
}

/// The ordered table of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    routes: Vec<Route>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }

    /// What happens to a call for `user@domain` (the Request-URI's, unescaped; `user` is empty if it has
    /// none). Users are told apart by case, domains are not (RFC 3261 §19.1.4).
    pub fn decide(&self, user: &str, domain: &str) -> Decision {
        self.decide_from(None, user, domain)
    }

    /// The same for a call that came over a trunk, which may have routes of its own.
    pub fn decide_from(&self, trunk: Option<&str>, user: &str, domain: &str) -> Decision {
        let of_trunk = |route: &&Route| route.trunk.is_none() || route.trunk.as_deref() == trunk;
        let mut fitting = self.routes.iter().filter(of_trunk);
        fitting.find_map(|route| route.decide(user, domain)).unwrap_or(Decision::Refuse(NO_ROUTE))
    }

    /// Whether the route of such a call is for agents only, who have proved that they are.
    pub fn is_for_agents_only(&self, trunk: Option<&str>, user: &str, domain: &str) -> bool {
        let of_trunk = |route: &&Route| route.trunk.is_none() || route.trunk.as_deref() == trunk;
        let mut fitting = self.routes.iter().filter(of_trunk);
        fitting.find(|route| route.decide(user, domain).is_some()).is_some_and(|route| route.agents_only)
    }

    /// The trunk that the first route of such a call is for, if it is for one.
    pub fn trunk_wanted(&self, user: &str, domain: &str) -> Option<&str> {
        self.routes.iter().find(|route| route.decide(user, domain).is_some())?.trunk.as_deref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

impl Default for Routes {
    /// User `conf-NAME` to the conference NAME, nothing else.
    fn default() -> Self {
        let user = Pattern { before: "conf-".to_owned(), after: Some(String::new()) };
        let to_its_name = Template { before: String::new(), after: Some(String::new()) };
        Self::new(vec![Route {
            user,
            domain: None,
            trunk: None,
            agents_only: false,
            action: Action::Conference(to_its_name),
            srtp: None,
        }])
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) user: Pattern,
    pub(super) domain: Option<String>,
    /// Only calls that came over it.
    pub(super) trunk: Option<String>,
    /// Who is no agent is asked for the password of one.
    pub(super) agents_only: bool,
    pub(super) action: Action,
    pub(super) srtp: Option<SrtpPolicy>,
}

impl Route {
    fn decide(&self, user: &str, domain: &str) -> Option<Decision> {
        let matched = self.user.matched(user)?;
        if self.domain.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(domain)) {
            return None;
        }
        Some(match &self.action {
            Action::Conference(name) => Decision::Conference { name: name.fill(matched), srtp: self.srtp },
            Action::Script(script) => Decision::Script { script: script.clone(), srtp: self.srtp },
            Action::Refuse(status) => Decision::Refuse(*status),
        })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.user)?;
        if let Some(domain) = &self.domain {
            write!(f, "@{domain}")?;
        }
        if let Some(trunk) = &self.trunk {
            write!(f, " over {trunk}")?;
        }
        if self.agents_only {
            f.write_str(" from agents")?;
        }
        match &self.action {
            Action::Conference(name) => write!(f, " -> conference {name}")?,
            Action::Script(script) => match &script.source {
                // Neither the query, which may hold a secret, nor the script, which nobody wants to read here.
                ScriptSource::Url(url) => {
                    write!(f, " -> script {}", url.url.split(['?', '#']).next().unwrap_or_default())?;
                }
                ScriptSource::Inline(text) => write!(f, " -> script of {} bytes", text.len())?,
            },
            Action::Refuse(status) => write!(f, " -> refuse {status}")?,
        }
        self.srtp.map_or(Ok(()), |srtp| write!(f, ", srtp {srtp}"))
    }
}

/// What a route does with the calls it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Conference(Template),
    Script(Box<RouteScript>),
    Refuse(u16),
}

/// A user, exactly (`after` is none), or with one `*` that stands for one character or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    before: String,
    after: Option<String>,
}

impl Pattern {
    /// Reads a pattern; refuses an empty one and a second `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (before, after) = split_once_or_all(text, "*");
        if text.is_empty() || after.is_some_and(|after| after.contains('*')) {
            return None;
        }
        Some(Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }

    pub(super) const fn has_wildcard(&self) -> bool {
        self.after.is_some()
    }

    /// What `*` stands for in `user`, or nothing of it; none if the pattern does not fit.
    fn matched<'a>(&self, user: &'a str) -> Option<&'a str> {
        let Some(after) = &self.after else {
            return (user == self.before).then_some("");
        };
        let matched = user.strip_prefix(&self.before)?.strip_suffix(after.as_str())?;
        (!matched.is_empty()).then_some(matched)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.before)?;
        self.after.as_ref().map_or(Ok(()), |after| write!(f, "*{after}"))
    }
}

/// A conference's name, with or without a place (`{1}`) for what `*` stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    before: String,
    after: Option<String>,
}

impl Template {
    /// Reads a template; refuses an empty one and every brace that is not the one `{1}`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (before, after) = split_once_or_all(text, "{1}");
        let has_brace = |part: &str| part.contains(['{', '}']);
        if text.is_empty() || has_brace(before) || after.is_some_and(has_brace) {
            return None;
        }
        Some(Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }

    pub(super) const fn has_place(&self) -> bool {
        self.after.is_some()
    }

    fn fill(&self, matched: &str) -> String {
        match &self.after {
            Some(after) => format!("{}{matched}{after}", self.before),
            None => self.before.clone(),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fill("{1}"))
    }
}

fn split_once_or_all<'a>(text: &'a str, at: &str) -> (&'a str, Option<&'a str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conference(name: &str) -> Decision {
        Decision::Conference { name: name.to_owned(), srtp: None }
    }

    fn route(user: &str, domain: Option<&str>, action: Action) -> Route {
        let user = Pattern::parse(user).unwrap();
        Route { user, domain: domain.map(str::to_owned), trunk: None, agents_only: false, action, srtp: None }
    }

    #[test]
    fn by_default_conf_name_enters_name_and_all_else_is_unknown() {
        let routes = Routes::default();
        assert_eq!(routes.decide("conf-tour", "example.org"), conference("tour"));
        assert_eq!(routes.decide("conf-a-b.c", "example.org"), conference("a-b.c"));
        for user in ["conf-", "conf", "Conf-tour", "xconf-tour", "alice", ""] {
            assert_eq!(routes.decide(user, "example.org"), Decision::Refuse(404), "{user:?}");
        }
    }

    #[test]
    fn the_first_route_that_fits_decides() {
        let routes = Routes::new(vec![
            route("sales", Some("example.org"), Action::Refuse(486)),
            route("sales", None, Action::Conference(Template::parse("queue").unwrap())),
            route("*-room", None, Action::Conference(Template::parse("team-{1}!").unwrap())),
            route("*", None, Action::Refuse(603)),
        ]);
        assert_eq!(routes.decide("sales", "EXAMPLE.org"), Decision::Refuse(486));
        assert_eq!(routes.decide("sales", "example.com"), conference("queue"));
        assert_eq!(routes.decide("blue-room", "example.com"), conference("team-blue!"));
        assert_eq!(routes.decide("-room", "example.com"), Decision::Refuse(603));
        assert_eq!(routes.decide("", "example.com"), Decision::Refuse(404));
    }

    #[test]
    fn a_trunks_route_is_for_its_calls_only() {
        let mut first = route("*", None, Action::Conference(Template::parse("carrier").unwrap()));
        first.trunk = Some("carrier".to_owned());
        let routes = Routes::new(vec![first, route("*", None, Action::Refuse(603))]);
        assert_eq!(routes.decide_from(Some("carrier"), "x", ""), conference("carrier"));
        assert_eq!(routes.decide_from(Some("other"), "x", ""), Decision::Refuse(603));
        assert_eq!(routes.decide("x", ""), Decision::Refuse(603));
        assert_eq!(routes.trunk_wanted("x", ""), Some("carrier"));
        assert_eq!(Routes::default().trunk_wanted("conf-x", ""), None);
    }

    #[test]
    fn what_comes_before_and_after_the_wildcard_does_not_overlap() {
        let routes =
            Routes::new(vec![route("aba*ba", None, Action::Conference(Template::parse("{1}").unwrap()))]);
        assert_eq!(routes.decide("abaxba", ""), conference("x"));
        assert_eq!(routes.decide("ababa", ""), Decision::Refuse(404));
        assert_eq!(routes.decide("aba", ""), Decision::Refuse(404));
    }

    #[test]
    fn odd_patterns_and_templates_are_refused() {
        for text in ["", "a*b*", "**"] {
            assert_eq!(Pattern::parse(text), None, "{text:?}");
        }
        for text in ["", "{2}", "{1}{1}", "{", "a}", "{}"] {
            assert_eq!(Template::parse(text), None, "{text:?}");
        }
    }
}
