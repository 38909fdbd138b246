//! The program `tollgate-controller`.

fn main() {}
