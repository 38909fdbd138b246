//! A server behind a Service: whatever it is asked, it answers the same.

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

/// This machine's own address: the API server takes no loopback address for an endpoint. Nothing is
/// sent to find it, and what is sent to it never leaves the machine.
pub(crate) fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let elsewhere = socket.connect("192.0.2.1:9");
    elsewhere
        .expect("an endpoint needs an address that is not loopback, and this machine has none");
    socket.local_addr().unwrap().ip()
}

/// Starts one; it ends with the process.
pub(crate) fn start(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream, body));
        }
    });
    address
}

/// Answers until the other end is done: requests without a body, one after another.
fn serve(mut stream: TcpStream, body: &str) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    for line in BufReader::new(reading).lines() {
        match line {
            Ok(line) if line.is_empty() => {
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
