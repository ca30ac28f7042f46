"""Which vendor answers for ``vendor:name``; vendors are made when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapters.vendors.base import ChatModel, NotConfigured


class Models:
    """The configured vendors by name. A factory is called once, at the first use of its vendor."""

    def __init__(self, factories: Mapping[str, Callable[[], ChatModel]]) -> None:
        self._factories = dict(factories)
        self._open: dict[str, ChatModel] = {}

    @property
    def vendors(self) -> tuple[str, ...]:
        """The names that can stand before the colon."""
        return tuple(sorted(self._factories))

    def find(self, model: str) -> tuple[ChatModel, str]:
        """The vendor and the name it knows the model by. Raises ``NotConfigured``."""
        vendor, colon, name = model.partition(":")
        if not colon or not name:
            raise NotConfigured(
                f"A model is named vendor:name, such as embedded:base, not {model!r}.", vendor=vendor
            )
        if vendor not in self._factories:
            raise NotConfigured(
                f"No vendor named {vendor!r} is set up; there are: {', '.join(self.vendors)}.", vendor=vendor
            )
        if vendor not in self._open:
            self._open[vendor] = self._factories[vendor]()
        return self._open[vendor], name

    async def close(self) -> None:
        """Give back what the vendors hold."""
        for vendor in self._open.values():
            await vendor.close()
