"""Which boards a user means: by entity, device, area, label or the name of a firmware."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids
from homeassistant.helpers.typing import ConfigType

from .const import DOMAIN
from .member import Member
from .ota.errors import OtaError
from .ota.globs import specificity
from .runtime import Runtime

CONF_PRODUCT = "product"

_UPDATE_SUFFIX = "_firmware"


@callback
def members_meant(hass: HomeAssistant, runtime: Runtime, data: ConfigType) -> list[Member]:
    """Return the boards that the target of an action names, those of a product where it names one.

    A product alone means all of its boards. Raises ServiceValidationError where nothing is meant.
    """
    selection = TargetSelection(data)
    product = data.get(CONF_PRODUCT, "")
    if selection.has_any_target:
        members = _targeted(hass, runtime, selection)
    else:
        members = list(runtime.fleet.members.values()) if product else []
    if product:
        members = [member for member in members if _is_of_product(runtime, member, product)]
    if not members:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_boards_meant")
    return members


@callback
def update_entity_id(hass: HomeAssistant, member: Member) -> str | None:
    """Return the update entity of a board, None while it has none."""
    return er.async_get(hass).async_get_entity_id("update", DOMAIN, f"{member.id}{_UPDATE_SUFFIX}")


def _targeted(hass: HomeAssistant, runtime: Runtime, selection: TargetSelection) -> list[Member]:
    selected = async_extract_referenced_entity_ids(hass, selection, primary_entities_only=False)
    registry = er.async_get(hass)
    found: dict[str, Member] = {}
    for entity_id in sorted(selected.referenced | selected.indirectly_referenced):
        entity = registry.async_get(entity_id)
        if entity is None or entity.platform != DOMAIN or entity.domain != "update":
            continue
        member_id = entity.unique_id.removesuffix(_UPDATE_SUFFIX)
        if member_id in runtime.fleet.members:
            found[member_id] = runtime.fleet.members[member_id]
    return list(found.values())


def _is_of_product(runtime: Runtime, member: Member, name: str) -> bool:
    try:
        product = runtime.catalogue.product(member.board)
    except OtaError:
        return False
    return product is not None and specificity(name, product.name) is not None
