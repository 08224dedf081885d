//! The one task that writes. It takes what waits and commits it as one transaction, so that a busy node pays for one
//! commit and not for hundreds.
//!
//! A statement that is wrong by itself fails alone. When the disk or the database fails, the whole batch does: those
//! who wait are told, what should not be lost is kept for the next try a second later, and the rest is counted as lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use super::error::{StoreError, is_of_statement};
use super::figures::Figures;
use super::statement::Statement;

/// Writes in one transaction. A commit costs some milliseconds on a slow disk, a statement some 20 µs, so more would
/// not be faster, only later.
const BATCH_MAX: usize = 512;

/// How long the writer waits after a failure. A full disk does not empty itself sooner.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What may become of a write that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Importance {
    /// It may be lost.
    Passing,
    /// It is tried again.
    Lasting,
}

/// Statements that belong together, and who waits for them.
#[derive(Debug)]
pub(super) struct Write {
    statements: Vec<Statement>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// Whoever waits decides what becomes of a failure.
    Answer(oneshot::Sender<Result<(), StoreError>>, Durability),
    Nobody(Importance),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// The end of the process cannot undo it.
    Process,
    /// A loss of power cannot either.
    Power,
}

impl Write {
    pub(super) fn unanswered(statement: Statement, importance: Importance) -> Self {
        Self { statements: vec![statement], then: Then::Nobody(importance) }
    }

    pub(super) fn answered(
        statements: Vec<Statement>,
        is_durable: bool,
    ) -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (answer, answered) = oneshot::channel();
        let durability = if is_durable { Durability::Power } else { Durability::Process };
        (Self { statements, then: Then::Answer(answer, durability) }, answered)
    }

    const fn must_survive_power(&self) -> bool {
        matches!(self.then, Then::Answer(_, Durability::Power))
    }

    /// Nothing to write, and somebody who waits for all that was handed in before.
    const fn is_flush(&self) -> bool {
        self.statements.is_empty()
    }

    const fn is_lasting(&self) -> bool {
        matches!(self.then, Then::Nobody(Importance::Lasting))
    }
}

/// The task's state.
pub(super) struct Writer {
    database: SqlitePool,
    /// What should not be lost and was not taken yet, the oldest first.
    owed: VecDeque<Write>,
    owed_max: usize,
    /// The database is in memory for want of a file, which is a failure that does not pass.
    is_makeshift: bool,
    is_failing: bool,
    figures: Arc<Figures>,
}

impl Writer {
    pub(super) fn new(
        database: SqlitePool,
        owed_max: usize,
        is_makeshift: bool,
        figures: Arc<Figures>,
    ) -> Self {
        Self { database, owed: VecDeque::new(), owed_max, is_makeshift, is_failing: false, figures }
    }

    /// Writes until the last store is dropped and all is written.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Write>) {
        let mut retry_at = Instant::now();
        loop {
            let mut batch: VecDeque<Write> = VecDeque::new();
            // While the disk fails there is one try a second, and nobody should wait for several.
            let most = if self.is_failing { self.owed_max } else { BATCH_MAX };
            let is_open = if self.owed.is_empty() {
                take(&mut waiting, &mut batch, most).await
            } else {
                tokio::select! {
                    is_open = take(&mut waiting, &mut batch, most) => is_open,
                    () = sleep_until(retry_at) => true,
                }
            };
            let took = self.write(batch).await;
            if !took {
                retry_at = Instant::now() + RETRY_PAUSE;
                if is_open {
                    sleep_until(retry_at).await;
                }
            }
            if !is_open {
                return self.figures.lost.add(self.owed.len() as u64);
            }
        }
    }

    /// Writes this and what is owed; says whether the database took it. What is new and not owed goes first, and by itself:
    /// it may be what makes room.
    async fn write(&mut self, new: VecDeque<Write>) -> bool {
        let took = if self.owed.is_empty() {
            self.attempt(new).await
        } else {
            let (after, before): (VecDeque<_>, VecDeque<_>) =
                new.into_iter().partition(|write| write.is_lasting() || write.is_flush());
            let took = self.attempt(before).await;
            let mut owed = std::mem::take(&mut self.owed);
            owed.extend(after);
            self.attempt(owed).await && took
        };
        if took {
            self.recover();
        }
        took
    }

    async fn attempt(&mut self, batch: VecDeque<Write>) -> bool {
        if batch.is_empty() {
            return true;
        }
        match self.commit(&batch).await {
            Ok(refused) => {
                self.settle(batch, refused);
                true
            }
            Err(error) => {
                self.fail(batch, &Arc::new(error));
                false
            }
        }
    }

    /// Runs everything in one transaction. Gives what became of writes that were wrong by themselves.
    async fn commit(&self, batch: &VecDeque<Write>) -> Result<Vec<(usize, StoreError)>, sqlx::Error> {
        let mut connection = self.database.acquire().await?;
        let must_survive_power = batch.iter().any(Write::must_survive_power);
        if must_survive_power {
            sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
        }
        let committed = transact(&mut connection, batch).await;
        if must_survive_power {
            sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await?;
        }
        committed
    }

    fn settle(&self, batch: VecDeque<Write>, mut refused: Vec<(usize, StoreError)>) {
        for (at, write) in batch.into_iter().enumerate() {
            let outcome = match refused.iter().position(|(of, _)| *of == at) {
                Some(found) => Err(refused.swap_remove(found).1),
                None => Ok(()),
            };
            let count = if outcome.is_ok() { &self.figures.written } else { &self.figures.lost };
            count.add(write.statements.len() as u64);
            if let Then::Answer(answer, _) = write.then {
                // Whoever asked may have gone away.
                let _ = answer.send(outcome);
            }
        }
    }

    fn fail(&mut self, batch: VecDeque<Write>, failure: &Arc<sqlx::Error>) {
        if !self.is_failing {
            self.is_failing = true;
            self.figures.failing.set(1);
            error!(
                error = %failure,
                "the database does not take what is written: the node goes on from memory and tries again each second"
            );
        }
        for write in batch {
            if write.is_lasting() && self.owed.len() < self.owed_max {
                self.owed.push_back(write);
                continue;
            }
            self.figures.lost.add(write.statements.len() as u64);
            if let Then::Answer(answer, _) = write.then {
                // Whoever asked may have gone away.
                let _ = answer.send(Err(StoreError::Database(Arc::clone(failure))));
            }
        }
    }

    fn recover(&mut self) {
        if self.is_failing {
            self.is_failing = false;
            self.figures.failing.set(i64::from(self.is_makeshift));
            info!("the database takes what is written again");
        }
    }
}

/// Waits for a write, and takes what else waits, `most` in all. Says whether there may be more.
async fn take(waiting: &mut mpsc::Receiver<Write>, batch: &mut VecDeque<Write>, most: usize) -> bool {
    let Some(first) = waiting.recv().await else { return false };
    batch.push_back(first);
    while batch.len() < most
        && let Ok(next) = waiting.try_recv()
    {
        batch.push_back(next);
    }
    true
}

async fn transact(
    connection: &mut SqliteConnection,
    batch: &VecDeque<Write>,
) -> Result<Vec<(usize, StoreError)>, sqlx::Error> {
    let mut refused = Vec::new();
    let mut transaction = connection.begin().await?;
    for (at, write) in batch.iter().enumerate() {
        for statement in &write.statements {
            match statement.run(&mut transaction).await {
                Ok(_) => {}
                Err(error) if is_of_statement(&error) => {
                    error!(%error, ?statement, "a statement was refused");
                    refused.push((at, error.into()));
                    break;
                }
                Err(error) => {
                    // What was begun is undone in any case, at the latest with the connection's next statement.
                    let _ = transaction.rollback().await;
                    return Err(error);
                }
            }
        }
    }
    transaction.commit().await?;
    Ok(refused)
}
