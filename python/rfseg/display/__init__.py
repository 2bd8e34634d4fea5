"""What displays show, without a toolkit: histories, axes, colours and the places of everything, in pixels."""
