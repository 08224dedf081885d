//! Enqueue: the caller waits in a queue until somebody takes them out.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::script::code::{
    ENQUEUE_METHOD, ENQUEUE_NAME_LONG, ENQUEUE_NAME_SHORT, ENQUEUE_WAIT_METHOD, SCHEMA,
};
use crate::script::element::{self, Element};
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Method};

/// The longest name of a queue, in characters.
pub(super) const QUEUE_NAME_MAX: usize = 64;
/// The most callers in one queue.
const QUEUE_SIZE_MAX: u64 = 5_000;
/// The longest that a task is offered, in seconds: two weeks.
const TASK_TIMEOUT_MAX: u64 = 1_209_600;

/// Waits in a queue, which is made if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// The queue; a workflow chooses one if there is none.
    pub queue: Option<String>,
    /// Who is told when the caller is out again.
    pub action: Option<Callback>,
    /// What is heard meanwhile.
    pub wait: Waiting,
    /// Who decides where the caller goes.
    pub workflow_sid: Option<String>,
    /// How many can wait in the queue if it is made now.
    pub max_queue_size: Option<NonZeroU32>,
    /// What the workflow is told.
    pub task: Option<Task>,
}

/// What those who wait hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The music that is built in.
    Music,
    /// Nothing.
    Silence,
    /// A sound or a document.
    At(Callback),
}

impl Waiting {
    /// `waitUrl` and its method: GET for the music that is built in.
    pub(super) fn read(element: &Element<'_, '_>, method_name: &'static str, method_code: u32) -> Self {
        let target = element.target("waitUrl");
        let default = if target.is_some() { Method::Post } else { Method::Get };
        let method = element.method(method_name, default, method_code);
        match target {
            None => Self::Music,
            Some(target) if target.is_empty() => Self::Silence,
            Some(target) => Self::At(Callback { target, method }),
        }
    }
}

/// What a workflow is told of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// As JSON.
    pub attributes: String,
    /// The greater, the sooner.
    pub priority: Option<u32>,
    /// How long it is offered.
    pub timeout: Option<Duration>,
}

impl Enqueue {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let name = element.text();
        let size = format!("a whole number from 1 to {QUEUE_SIZE_MAX}");
        let enqueue = Self {
            queue: Some(name).filter(|name| !name.is_empty()),
            action: element.callback("action", "method", ENQUEUE_METHOD),
            wait: Waiting::read(element, "waitUrlMethod", ENQUEUE_WAIT_METHOD),
            workflow_sid: element.words("workflowSid"),
            max_queue_size: element.value("maxQueueSize", None, SCHEMA, &size, |value| {
                let size = element::number(value, &(1..=QUEUE_SIZE_MAX))?;
                Some(NonZeroU32::new(u32::try_from(size).ok()?))
            }),
            task: task(element),
        };
        element.finish();
        match &enqueue.queue {
            None if enqueue.workflow_sid.is_none() => {
                Err(element
                    .impossible(ENQUEUE_NAME_SHORT, "has neither the name of a queue nor a workflowSid."))
            }
            Some(name) if name.chars().nth(QUEUE_NAME_MAX).is_some() => {
                let what = format!("has a name of over {QUEUE_NAME_MAX} characters.");
                Err(element.impossible(ENQUEUE_NAME_LONG, &what))
            }
            None | Some(_) => Ok(enqueue),
        }
    }
}

fn task(element: &Element<'_, '_>) -> Option<Task> {
    let mut task = None;
    for child in element.children() {
        if child.name() != "Task" || task.is_some() {
            child.warn(SCHEMA, "has no place in <Enqueue>; it is skipped.");
            continue;
        }
        let number = |name, max: u64| {
            let right = format!("a whole number from 0 to {max}");
            child.value(name, None, SCHEMA, &right, |value| Some(element::number(value, &(0..=max))))
        };
        task = Some(Task {
            attributes: child.text(),
            priority: number("priority", i32::MAX as u64).and_then(|priority| u32::try_from(priority).ok()),
            timeout: number("timeout", TASK_TIMEOUT_MAX).map(Duration::from_secs),
        });
        child.finish();
    }
    task
}
