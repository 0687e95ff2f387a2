"""How clients ask and how they are answered: messages, frames, CSV. Pure."""
