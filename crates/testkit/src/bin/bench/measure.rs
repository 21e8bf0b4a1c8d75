//! Asking for a while from several sides, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;

use super::cases::{Among, Ask, Case};
use super::layers::{Layer, Layers, Question};
use super::processes::{Processes, Used};

/// The numbers of askers that everything is measured with.
pub(crate) const ASKERS: [usize; 2] = [1, 16];
/// Each figure comes from so many turns, layer after layer, so that a disturbance of the machine meets all layers alike.
const TURNS: u32 = 2;

/// Requests that take longer are measured with one asker only.
const SLOW_MS: f64 = 200.0;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    turn: Duration,
    warm_up: Duration,
}

impl Effort {
    /// How long a figure takes.
    pub(crate) fn whole(self) -> Duration {
        self.turn * TURNS
    }

    /// So long for each figure.
    pub(crate) fn of(figure: Duration) -> Self {
        Self {
            turn: figure / TURNS,
            warm_up: (figure / 8).min(Duration::from_millis(500)),
        }
    }
}

/// What one layer did.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// How it was asked.
    pub(crate) layer: Layer,
    /// By how many at once.
    pub(crate) askers: usize,
    /// Microseconds of each request, sorted.
    took_us: Vec<u32>,
    elapsed: Duration,
    used: Used,
}

/// What a case showed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Which case.
    pub(crate) name: &'static str,
    /// Layers by askers.
    pub(crate) figures: Vec<Figure>,
}

/// Measures one case at all depths.
pub(crate) async fn case(
    layers: &Layers,
    processes: &Processes,
    case: &Case,
    effort: Effort,
) -> anyhow::Result<Outcome> {
    let questions = layers.questions(case).await?;
    let depths: &[Layer] = match (case.ask, case.among) {
        (Ask::Update | Ask::Create, _) => &[Layer::Plain, Layer::Store, Layer::Api],
        // The store adds whose records are in sight.
        (_, Among::Seeing(_)) => &[Layer::Store, Layer::Api],
        _ => &[Layer::Plain, Layer::Context, Layer::Store, Layer::Api],
    };
    let mut figures: Vec<Figure> = Vec::new();
    for askers in ASKERS {
        // What takes one asker this long would keep sixteen busy for minutes.
        if figures.iter().any(|figure| figure.mean_ms() > SLOW_MS) {
            break;
        }
        for turn in 0..TURNS {
            for layer in depths {
                ask_for(
                    layers,
                    processes,
                    (case, *layer),
                    &questions,
                    askers,
                    effort.warm_up,
                )
                .await?;
                let figure = ask_for(
                    layers,
                    processes,
                    (case, *layer),
                    &questions,
                    askers,
                    effort.turn,
                )
                .await?;
                let known = figures
                    .iter_mut()
                    .find(|known| known.layer == *layer && known.askers == askers);
                match known {
                    Some(known) if turn > 0 => known.add(figure),
                    _ => figures.push(figure),
                }
            }
        }
    }
    for figure in &mut figures {
        figure.took_us.sort_unstable();
        eprintln!(
            "{}: {:?} ×{}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {}",
            case.name,
            figure.layer,
            figure.askers,
            figure.per_second(),
            figure.percentile_ms(50),
            figure.percentile_ms(99),
            figure.processor_us()
        );
    }
    Ok(Outcome {
        name: case.name,
        figures,
    })
}

/// Tells every request of this process from every other.
static NUMBER: AtomicU64 = AtomicU64::new(0);

async fn ask_for(
    layers: &Layers,
    processes: &Processes,
    (case, layer): (&Case, Layer),
    questions: &[Question],
    askers: usize,
    duration: Duration,
) -> anyhow::Result<Figure> {
    let before = processes.used()?;
    let begun = Instant::now();
    let asker = |asker: usize| async move {
        let mut connection = None;
        let mut took_us = Vec::with_capacity(16_384);
        let mut questions = questions
            .iter()
            .cycle()
            .skip(asker * questions.len() / askers);
        while begun.elapsed() < duration {
            let question = questions.next().context("no questions")?;
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let asked = Instant::now();
            layers
                .ask(layer, case, question, &mut connection, number)
                .await?;
            took_us.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        anyhow::Ok(took_us)
    };
    let took_us = try_join_all((0..askers).map(asker)).await?.concat();
    Ok(Figure {
        layer,
        askers,
        took_us,
        elapsed: begun.elapsed(),
        used: processes.used()?.since(before),
    })
}

impl Figure {
    fn add(&mut self, other: Self) {
        self.took_us.extend(other.took_us);
        self.elapsed += other.elapsed;
        self.used = self.used.plus(other.used);
    }

    fn mean_ms(&self) -> f64 {
        self.took_us.iter().copied().map(f64::from).sum::<f64>() / self.count().max(1.0) / 1000.0
    }

    /// Requests per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64()
    }

    /// Milliseconds within which so many percent were answered.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.took_us.len() * percent / 100).min(self.took_us.len().saturating_sub(1));
        f64::from(self.took_us.get(at).copied().unwrap_or_default()) / 1000.0
    }

    /// Processor time of one request: load generator + server + database, in microseconds.
    pub(crate) fn processor_us(&self) -> String {
        let each = |seconds: f64| seconds * 1e6 / self.count().max(1.0);
        format!(
            "{:.0} + {:.0} + {:.0}",
            each(self.used.generator),
            each(self.used.server),
            each(self.used.database)
        )
    }

    fn count(&self) -> f64 {
        u32::try_from(self.took_us.len()).map_or(f64::MAX, f64::from)
    }
}
