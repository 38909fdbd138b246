//! Where connections come in, as those that came in know it.
//!
//! In: a port's slot. Out: the port as it is now, or as it was last. Sockets are `listen`'s.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::sync::Notify;

use crate::active::{Active, port::Port};

/// Where connections come in.
pub(crate) struct Door {
    /// The port's slot in [`Active`].
    slot: usize,
    /// The port as it was at the last beat: a listener that is taken away is gone from [`Active`]
    /// before its connections are, and they are answered as long as they last.
    port: RefCell<Arc<Port>>,
    pub(crate) closing: Notify,
    /// Nothing more is let in; what has been is asked to leave.
    pub(crate) is_closed: Cell<bool>,
}

impl Door {
    pub(crate) fn new(slot: usize, port: Arc<Port>) -> Rc<Self> {
        Rc::new(Self {
            slot,
            port: RefCell::new(port),
            closing: Notify::new(),
            is_closed: Cell::new(false),
        })
    }

    /// The port as it is now; `last` is where to keep it if it is gone.
    pub(crate) fn port<'a>(
        &self,
        active: &'a Active,
        last: &'a mut Option<Arc<Port>>,
    ) -> &'a Arc<Port> {
        match active.port(self.slot) {
            Some(port) => port,
            None => last.insert(Arc::clone(&self.port.borrow())),
        }
    }

    pub(crate) fn remember(&self, active: &Active) {
        if let Some(port) = active.port(self.slot) {
            self.port.borrow_mut().clone_from(port);
        }
    }
}
