//! Ports for programs that must be told theirs before they start. Both benches have this file.

use std::net::TcpListener;

/// `N` ports of loopback that are free now, all different.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        // Kept until all are known: a closed port may come again.
        listeners.push(listener);
    }
    Ok(ports)
}
