//! What the objects of a gateway's proxies are called: `tollgate-<gateway>`, and what follows.
//!
//! In: a gateway's name. Out: the name of its ServiceAccount and its Service; or which gateway a
//! name is of. Whether there is such a gateway is not known here.

use tollgate_snapshot::ObjectName;

/// What the name of everything of a gateway's proxies begins with.
pub(crate) const PREFIX: &str = "tollgate-";

/// The name of a gateway's ServiceAccount and Service; the beginning of its Secrets' names.
pub(crate) fn of_gateway(gateway: &ObjectName) -> String {
    format!("{PREFIX}{}", gateway.name)
}

/// The gateway whose ServiceAccount or Service is called so; `None`: no gateway's is.
pub(crate) fn gateway_of(namespace: &str, name: &str) -> Option<ObjectName> {
    let gateway = name.strip_prefix(PREFIX)?;
    (!gateway.is_empty()).then(|| ObjectName::new(namespace, gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_gateway_that_it_was_made_of() {
        let gateway = ObjectName::new("shop", "public");
        let name = of_gateway(&gateway);
        assert_eq!(gateway_of("shop", &name), Some(gateway));
        assert_eq!(gateway_of("shop", "tollgate-"), None);
        assert_eq!(gateway_of("shop", "public"), None);
    }
}
