//! Sockets to listen on: one for each core, all on one port.
//!
//! In: an address and a number of cores. Out: as many listening sockets with SO_REUSEPORT, among
//! which the kernel spreads connections; or why the address can't be had.

use std::{io, net::SocketAddr, net::TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted, per core.
const BACKLOG: i32 = 1024;

/// Binds `count` sockets to an address. Port 0 gives them one free port.
///
/// # Errors
/// What the system says; `AddrInUse` also when another process shares the port as we would.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        // A second instance would silently take half of the connections: without SO_REUSEPORT it
        // fails loudly.
        drop(socket(address, false)?);
    }
    let first = listening(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listening(address)?);
    }
    Ok(listeners)
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if !reuse_port {
        // With SO_REUSEADDR, bind alone does not see another listener.
        socket.listen(1)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_share_one_free_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        assert_eq!(ports, vec![ports[0]; 3]);
    }

    #[test]
    fn a_second_instance_fails_loudly() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let second = bind(first[0].local_addr().unwrap(), 2);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
