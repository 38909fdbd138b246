//! Functions of the Lambda contract. [`event`] makes an event of a request and [`answer`] a response of
//! an answer; both are pure.

pub mod answer;
pub mod event;
