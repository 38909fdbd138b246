//! stub

pub mod function;
