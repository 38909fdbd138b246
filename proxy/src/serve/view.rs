//! What `/config` shows: what is run, what is not and why.
//!
//! In: the parts that know. Out: one JSON document, made when it is asked for. Nothing secret is in
//! it: units hold none, and functions show neither command nor environment.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tollgate_snapshot::{UnitId, UnitKind};

use crate::{
    active::Active, admin::ConfigView, config::adopt::Verdict, function::Functions,
    listen::OpenPort, metrics::Metrics,
};

/// Shared with the admin listener.
#[derive(Clone)]
pub(super) struct View {
    active: Arc<ArcSwap<Active>>,
    functions: Functions,
    metrics: Arc<Metrics>,
    shown: Arc<Mutex<Shown>>,
    problems: Arc<OnceLock<Problems>>,
    source: Arc<OnceLock<SourceView>>,
}

/// Says what is wrong now; asked for each document.
type Problems = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Says where the units come from; asked for each document.
type SourceView = Box<dyn Fn() -> Value + Send + Sync>;

#[derive(Default)]
struct Shown {
    ports: Vec<OpenPort>,
    exceptions: imbl::OrdMap<UnitId, Verdict>,
}

impl View {
    pub(super) fn new(
        active: Arc<ArcSwap<Active>>,
        functions: Functions,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            active,
            functions,
            metrics,
            shown: Arc::default(),
            problems: Arc::default(),
            source: Arc::default(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn set_ports(&self, ports: Vec<OpenPort>) {
        self.change(|shown| shown.ports = ports);
    }

    /// Takes who knows what is wrong; the first one is kept.
    pub(super) fn set_problems(&self, problems: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        self.problems.get_or_init(|| Box::new(problems));
    }

    /// Takes who knows where the units come from; the first one is kept.
    pub(super) fn set_source(&self, source: impl Fn() -> Value + Send + Sync + 'static) {
        self.source.get_or_init(|| Box::new(source));
    }

    /// Takes in what became of a change of configuration.
    pub(super) fn set_config(&self, exceptions: &imbl::OrdMap<UnitId, Verdict>) {
        self.change(|shown| shown.exceptions.clone_from(exceptions));
        self.metrics.set_config_held(exceptions.len());
        let active = self.active.load();
        for kind in UnitKind::ALL {
            self.metrics.set_units(kind, active.count(kind));
        }
    }

    /// The document, for the admin listener.
    pub(super) fn config(&self) -> ConfigView {
        let view = self.clone();
        Arc::new(move || view.document())
    }

    fn document(&self) -> Value {
        let active = self.active.load();
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let units: Vec<_> = active
            .units()
            .map(|unit| {
                json!({
                    "id": unit.id.to_string(),
                    "hash": unit.hash.to_string(),
                    "verdict": verdict(shown.exceptions.get(&unit.id)),
                    "payload": *unit.payload,
                })
            })
            .collect();
        let absent: Vec<_> = shown
            .exceptions
            .iter()
            .filter(|(id, _)| !active.has(id))
            .map(|(id, exception)| {
                json!({"id": id.to_string(), "verdict": verdict(Some(exception))})
            })
            .collect();
        json!({
            "root": active.root().to_string(),
            "source": self.source.get().map(|source| source()).unwrap_or_default(),
            "listeners": listeners(&shown.ports),
            "units": units,
            "absent": absent,
            "functions": functions(&self.functions),
            "problems": self.problems.get().map(|problems| problems()).unwrap_or_default(),
        })
    }
}

fn verdict(exception: Option<&Verdict>) -> Value {
    match exception {
        None => json!("Active"),
        Some(Verdict::HeldAtLastGood) => json!("HeldAtLastGood"),
        Some(Verdict::HeldWithoutLastGood) => json!("HeldWithoutLastGood"),
        Some(Verdict::Rejected(why)) => json!(format!("Rejected: {why}")),
    }
}

fn listeners(ports: &[OpenPort]) -> Vec<Value> {
    let each = |port: &OpenPort| {
        let address = port.address.as_ref().map(ToString::to_string).ok();
        let problem = port.address.as_ref().err();
        let names = port.listeners.iter();
        let row = move |name: &Arc<str>| {
            let mut row = json!({"gateway": port.gateway, "listener": name});
            if let Some(address) = &address {
                row["address"] = json!(address);
            }
            if let Some(problem) = problem {
                row["problem"] = json!(problem);
            }
            row
        };
        names.map(row).collect::<Vec<_>>()
    };
    ports.iter().flat_map(each).collect()
}

fn functions(functions: &Functions) -> Vec<Value> {
    let states = functions.states();
    let row = |state: &crate::function::FunctionState| {
        json!({
            "name": state.name.to_string(),
            "state": state.state.as_str(),
            "restarts": state.restarts,
            "waiting": state.waiting,
            "lastInitError": state.init_error.as_ref().map(|error| error.to_string()),
        })
    };
    states.iter().map(row).collect()
}
