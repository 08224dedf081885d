//! Figures for Prometheus: counters, gauges and histograms that are made once, at start, and read as text
//! ([the exposition format](https://prometheus.io/docs/instrumenting/exposition_formats/)).
//!
//! Whoever measures holds an `Arc` to its own atomics: to count takes no lock, so a media thread may. The
//! registry is locked only while series are made and while the text is written. Labels are known when a
//! series is made and a call or leg is never one, so the number of series does not grow with use.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Series that a registry holds. The node has some dozens; hundreds would mean that something that comes and
/// goes was made a label.
const SERIES_MAX: usize = 1_024;

/// The labels of a series: name and value.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Counts what happened. Never goes down.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// `total` so far, by the count of someone else who counts the same thing.
    pub fn advance_to(&self, total: u64) {
        self.0.fetch_max(total, Relaxed);
    }

    /// How many so far.
    pub fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How much there is of something now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// There is `n` of it.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// There is `n` more of it; less, if `n` is negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// How much there is.
    pub fn now(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How long things took, in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    buckets: Buckets,
    /// Wraps after 584 years of measured time.
    sum_nanos: AtomicU64,
}

/// How large things without a unit of time were, such as scores, in buckets.
#[derive(Debug)]
pub struct Distribution {
    bounds: &'static [f64],
    buckets: Buckets,
    /// In thousandths: what is observed is not finer.
    sum_thousandths: AtomicU64,
}

/// One count per bound, and one for what is above all of them.
#[derive(Debug)]
struct Buckets(Box<[AtomicU64]>);

impl Histogram {
    fn new(bounds: &'static [Duration]) -> Self {
        assert!(bounds.is_sorted_by(|a, b| a < b), "bounds of a histogram go up");
        Self { bounds, buckets: Buckets::for_bounds(bounds.len()), sum_nanos: AtomicU64::new(0) }
    }

    /// It took `duration` once. A bound belongs to its own bucket, as Prometheus has it.
    pub fn observe(&self, duration: Duration) {
        self.buckets.count(self.bounds.partition_point(|bound| *bound < duration));
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.buckets.sum()
    }

    fn render(&self, name: &str, labels: &str, text: &mut String) {
        let sum = Duration::from_nanos(self.sum_nanos.load(Relaxed)).as_secs_f64();
        let bounds = self.bounds.iter().map(Duration::as_secs_f64);
        self.buckets.render(bounds, sum, name, labels, text);
    }
}

impl Distribution {
    fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.is_sorted_by(|a, b| a < b), "bounds of a distribution go up");
        Self { bounds, buckets: Buckets::for_bounds(bounds.len()), sum_thousandths: AtomicU64::new(0) }
    }

    /// It was `value` once, which is not negative.
    pub fn observe(&self, value: f64) {
        self.buckets.count(self.bounds.partition_point(|bound| *bound < value));
        self.sum_thousandths.fetch_add((value * 1e3).round() as u64, Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.buckets.sum()
    }

    fn render(&self, name: &str, labels: &str, text: &mut String) {
        let sum = self.sum_thousandths.load(Relaxed) as f64 / 1e3;
        self.buckets.render(self.bounds.iter().copied(), sum, name, labels, text);
    }
}

impl Buckets {
    fn for_bounds(bounds: usize) -> Self {
        Self((0..=bounds).map(|_| AtomicU64::new(0)).collect())
    }

    fn count(&self, bucket: usize) {
        self.0[bucket].fetch_add(1, Relaxed);
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The buckets are read one by one while others count, so the count is taken from what was read: the
    /// text always agrees with itself.
    fn render(
        &self,
        bounds: impl Iterator<Item = f64>,
        sum: f64,
        name: &str,
        labels: &str,
        text: &mut String,
    ) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut seen = 0;
        let bounds = bounds.map(|bound| bound.to_string()).chain(std::iter::once("+Inf".to_owned()));
        for (bound, bucket) in bounds.zip(&self.0) {
            seen += bucket.load(Relaxed);
            put(text, format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {seen}\n"));
        }
        put_sample(text, &format!("{name}_sum"), labels, sum);
        put_sample(text, &format!("{name}_count"), labels, seen);
    }
}

/// All figures of the node. Cheap to clone: a clone is the same registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    families: Arc<Mutex<Vec<Family>>>,
}

/// The series of one name, which differ in their labels.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    series: Vec<(String, Figure)>,
}

#[derive(Clone, Debug)]
enum Figure {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
    Distribution(Arc<Distribution>),
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter; its name ends in `_total`. The same name and labels give the same counter again.
    ///
    /// # Panics
    /// This and its siblings panic on mistakes of ours: a name or label that Prometheus cannot read, a
    /// name used for two kinds, or more series than a registry holds.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Arc<Counter> {
        assert!(name.ends_with("_total"), "{name}: a counter's name ends in _total");
        match self.series(name, help, labels, || Figure::Counter(Arc::default())) {
            Figure::Counter(counter) => counter,
            Figure::Gauge(_) | Figure::Histogram(_) | Figure::Distribution(_) => {
                panic!("{name} is not a counter")
            }
        }
    }

    /// A gauge. The same name and labels give the same gauge again.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Arc<Gauge> {
        match self.series(name, help, labels, || Figure::Gauge(Arc::default())) {
            Figure::Gauge(gauge) => gauge,
            Figure::Counter(_) | Figure::Histogram(_) | Figure::Distribution(_) => {
                panic!("{name} is not a gauge")
            }
        }
    }

    /// A histogram of durations, shown in seconds; its name ends in `_seconds`. `bounds` go up. The same name
    /// and labels give the same histogram again.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        bounds: &'static [Duration],
    ) -> Arc<Histogram> {
        assert!(name.ends_with("_seconds"), "{name}: a histogram's name ends in _seconds");
        match self.series(name, help, labels, || Figure::Histogram(Arc::new(Histogram::new(bounds)))) {
            Figure::Histogram(histogram) => histogram,
            Figure::Counter(_) | Figure::Gauge(_) | Figure::Distribution(_) => {
                panic!("{name} is not a histogram of durations")
            }
        }
    }

    /// A histogram of plain numbers. `bounds` go up. The same name and labels give the same one again.
    pub fn distribution(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        bounds: &'static [f64],
    ) -> Arc<Distribution> {
        match self.series(name, help, labels, || Figure::Distribution(Arc::new(Distribution::new(bounds)))) {
            Figure::Distribution(distribution) => distribution,
            Figure::Counter(_) | Figure::Gauge(_) | Figure::Histogram(_) => {
                panic!("{name} is not a histogram of numbers")
            }
        }
    }

    /// All figures in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for family in self.lock().iter() {
            family.render(&mut text);
        }
        text
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        make: impl FnOnce() -> Figure,
    ) -> Figure {
        assert!(is_name(name), "{name}: not a metric's name");
        let labels = render_labels(labels);
        let mut families = self.lock();
        let held: usize = families.iter().map(|family| family.series.len()).sum();

        let at = families.iter().position(|family| family.name == name).unwrap_or_else(|| {
            families.push(Family { name, help, series: Vec::new() });
            families.len() - 1
        });
        let family = &mut families[at];
        if let Some((_, figure)) = family.series.iter().find(|(of, _)| *of == labels) {
            return figure.clone();
        }
        assert!(held < SERIES_MAX, "{name}: more than {SERIES_MAX} series");
        let figure = make();
        assert!(
            family.series.iter().all(|(_, other)| other.kind() == figure.kind()),
            "{name} is of two kinds"
        );
        family.series.push((labels, figure.clone()));
        figure
    }

    /// A panic while the registry was locked left it whole: series are only ever added.
    fn lock(&self) -> MutexGuard<'_, Vec<Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Family {
    fn render(&self, text: &mut String) {
        let Some((_, first)) = self.series.first() else {
            return;
        };
        let help = self.help.replace('\\', r"\\").replace('\n', r"\n");
        put(text, format_args!("# HELP {} {help}\n# TYPE {} {}\n", self.name, self.name, first.kind()));
        for (labels, figure) in &self.series {
            match figure {
                Figure::Counter(counter) => put_sample(text, self.name, labels, counter.total()),
                Figure::Gauge(gauge) => put_sample(text, self.name, labels, gauge.now()),
                Figure::Histogram(histogram) => histogram.render(self.name, labels, text),
                Figure::Distribution(distribution) => distribution.render(self.name, labels, text),
            }
        }
    }
}

impl Figure {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) | Self::Distribution(_) => "histogram",
        }
    }
}

fn put_sample(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    if labels.is_empty() {
        put(text, format_args!("{name} {value}\n"));
    } else {
        put(text, format_args!("{name}{{{labels}}} {value}\n"));
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all that is written to it");
}

fn render_labels(labels: Labels<'_>) -> String {
    let pairs = labels.iter().map(|(name, value)| {
        assert!(is_name(name) && !name.contains(':') && *name != "le", "{name}: not a label's name");
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        format!("{name}=\"{value}\"")
    });
    pairs.collect::<Vec<_>>().join(",")
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(20)];

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::new();
        metrics.counter("confab_calls_total", "Calls so far.", &[("way", "in")]).add(3);
        metrics.counter("confab_calls_total", "Calls so far.", &[("way", "out")]).increment();
        metrics.gauge("confab_legs", "Legs now.", &[]).set(-2);
        let late = metrics.histogram("confab_tick_late_seconds", "Lateness.", &[("worker", "0")], BOUNDS);
        for micros in [0, 1_000, 1_001, 20_000, 3_000_000] {
            late.observe(Duration::from_micros(micros));
        }
        assert_eq!(late.count(), 5);
        assert_eq!(
            metrics.render(),
            r#"# HELP confab_calls_total Calls so far.
# TYPE confab_calls_total counter
confab_calls_total{way="in"} 3
confab_calls_total{way="out"} 1
# HELP confab_legs Legs now.
# TYPE confab_legs gauge
confab_legs -2
# HELP confab_tick_late_seconds Lateness.
# TYPE confab_tick_late_seconds histogram
confab_tick_late_seconds_bucket{worker="0",le="0.001"} 2
confab_tick_late_seconds_bucket{worker="0",le="0.02"} 4
confab_tick_late_seconds_bucket{worker="0",le="+Inf"} 5
confab_tick_late_seconds_sum{worker="0"} 3.022001
confab_tick_late_seconds_count{worker="0"} 5
"#
        );
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        let metrics = Metrics::new();
        let scores = metrics.distribution("confab_score", "Scores.", &[("way", "in")], &[3.0, 4.25]);
        [2.5, 4.25, 4.4].iter().for_each(|&score| scores.observe(score));
        assert_eq!(scores.count(), 3);
        assert_eq!(
            metrics.render(),
            r#"# HELP confab_score Scores.
# TYPE confab_score histogram
confab_score_bucket{way="in",le="3"} 1
confab_score_bucket{way="in",le="4.25"} 2
confab_score_bucket{way="in",le="+Inf"} 3
confab_score_sum{way="in"} 11.15
confab_score_count{way="in"} 3
"#
        );
    }

    #[test]
    fn the_same_name_and_labels_are_the_same_figure() {
        let metrics = Metrics::new();
        metrics.counter("a_total", "A.", &[("x", "1")]).increment();
        let again = metrics.clone().counter("a_total", "A.", &[("x", "1")]);
        assert_eq!(again.total(), 1);
        assert_eq!(metrics.counter("a_total", "A.", &[("x", "2")]).total(), 0);
    }

    #[test]
    fn odd_label_values_cannot_break_the_text() {
        let metrics = Metrics::new();
        metrics.gauge("a", "One\nline \\ still.", &[("x", "say \"hi\"\n\\")]);
        assert_eq!(
            metrics.render(),
            "# HELP a One\\nline \\\\ still.\n# TYPE a gauge\na{x=\"say \\\"hi\\\"\\n\\\\\"} 0\n"
        );
    }

    #[test]
    fn counting_on_many_threads_loses_nothing() {
        let metrics = Metrics::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let counter = metrics.counter("a_total", "A.", &[]);
                let histogram = metrics.histogram("b_seconds", "B.", &[], BOUNDS);
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        counter.increment();
                        histogram.observe(Duration::from_millis(1));
                    }
                });
            }
        });
        assert!(metrics.render().contains("a_total 4000\n"), "{}", metrics.render());
        assert!(metrics.render().contains("b_seconds_sum 4\n"), "{}", metrics.render());
    }

    #[test]
    #[should_panic(expected = "more than 1024 series")]
    fn series_are_bounded() {
        let metrics = Metrics::new();
        for number in 0..=SERIES_MAX {
            metrics.gauge("a", "A.", &[("x", &number.to_string())]);
        }
    }

    #[test]
    #[should_panic(expected = "is of two kinds")]
    fn a_name_is_of_one_kind() {
        let metrics = Metrics::new();
        metrics.counter("a_total", "A.", &[]);
        metrics.gauge("a_total", "A.", &[("x", "1")]);
    }
}
