"""How features are computed: their meaning, their plans, and the engines that follow them."""
