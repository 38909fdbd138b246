//! The memory that a proxy holds for its routes, as one that is fed units would.
//!
//! In: units, and what counts the bytes that are allocated. Out: the bytes that what requests read,
//! with the units, has for each route more. The units are read from their JSON, so that they share
//! nothing with the compiler that made them.

use anyhow::{Context, ensure};
use tollgate_proxy::active::Active;
use tollgate_snapshot::{ObjectName, Payload, Unit, UnitChange, UnitKind};

/// A unit on its way.
type Sent = (ObjectName, Vec<u8>);

/// KiB for one route more, from `few` routes to all of the units'.
pub(crate) fn kib_per_route(
    units: &[Unit],
    few: usize,
    allocated: impl Fn() -> usize,
) -> anyhow::Result<f64> {
    let send = |unit: &Unit| Ok((unit.id.object.clone(), serde_json::to_vec(&*unit.payload)?));
    let sent = |units: &mut dyn Iterator<Item = &Unit>| {
        units.map(send).collect::<anyhow::Result<Vec<Sent>>>()
    };
    let is_route = |unit: &&Unit| unit.id.kind == UnitKind::Route;
    let others = sent(&mut units.iter().filter(|unit| !is_route(unit)))?;
    let routes = sent(&mut units.iter().filter(is_route))?;
    let (first, more) = routes.split_at_checked(few).context("too few routes")?;
    let mut active = Active::default();
    adopt(&mut active, &others)?;
    adopt(&mut active, first)?;
    let before = allocated();
    adopt(&mut active, more)?;
    let after = allocated();
    let adopted = active.count(UnitKind::Route);
    ensure!(adopted == routes.len(), "{adopted} routes were adopted");
    let bytes = after.checked_sub(before).context("less for more routes")?;
    Ok(bytes as f64 / more.len() as f64 / 1024.0)
}

fn adopt(active: &mut Active, sent: &[Sent]) -> anyhow::Result<()> {
    for (object, payload) in sent {
        let payload: Payload = serde_json::from_slice(payload)?;
        let unit = Unit::new(object.clone(), payload)?;
        let unusable = active.apply(&[UnitChange::Put(unit)]);
        ensure!(unusable.is_empty(), "{unusable:?}");
    }
    Ok(())
}
